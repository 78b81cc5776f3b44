/** Small helpers for elements. */

/**
 * Make an element.
 * @param {string} tag name, with classes after dots: "li.best"
 * @param {Record<string, unknown>} [attributes] false and null leave one out; functions listen to the event of that name;
 *   names that begin with -- are CSS variables
 * @param {...(Node | string | null | false)} children
 */
export function h(tag, attributes = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (key.startsWith("--")) element.style.setProperty(key, String(value));
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

/**
 * Put nodes in place of an element's children, and the focus back where it was if it was among them.
 * @param {HTMLElement} element
 * @param {...Node} nodes those that can have the focus need ids that stay the same
 */
export function replace(element, ...nodes) {
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  element.replaceChildren(...nodes);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/**
 * Replace a part of a text area's text as if it were typed, so that undo takes it back.
 * @param {HTMLTextAreaElement} area
 * @param {number} start
 * @param {number} end
 * @param {string} text
 */
export function type(area, start, end, text) {
  area.focus();
  area.setSelectionRange(start, end);
  const hush = (event) => event.stopImmediatePropagation();
  addEventListener("input", hush, true); // Chromium has an event for each line; a thousand would each be checked
  const isDone = text ? insert(text) : start === end || document.execCommand("delete");
  removeEventListener("input", hush, true);
  if (!isDone) area.setRangeText(text, start, end, "end"); // without undo, if the browser does not support the command
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Insert a text at the caret. Chromium takes 9 s for a thousand lines as text, and 0.5 s as HTML, which a text area reads as text. */
function insert(text) {
  const html = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return (text.includes("\n") && document.execCommand("insertHTML", false, html)) || document.execCommand("insertText", false, text);
}

/**
 * Copy a text.
 * @param {string} text
 * @returns {Promise<boolean>} whether the browser let us
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text); // not there without HTTPS
    return true;
  } catch {
    const area = h("textarea", { class: "hidden", "aria-hidden": "true" });
    const focused = document.activeElement;
    area.value = text;
    document.body.append(area);
    area.select();
    const isCopied = document.execCommand("copy");
    area.remove();
    focused?.focus();
    return isCopied;
  }
}

/** How long a text must be stable before a screen reader announces it. */
const PAUSE_MS = 250;
let announcing;

/**
 * Have a screen reader say something, once nothing newer is to be said.
 * @param {string} words
 * @param {HTMLElement} source what shows the same; nothing is said for a tab that the reader has left
 */
export function announce(words, source = document.body) {
  if (source.closest("[hidden]")) return;
  clearTimeout(announcing);
  announcing = setTimeout(() => (document.getElementById("announcement").textContent = words), PAUSE_MS);
}
