/** Hints about a text, each with a button that mends it. */

import { h, type } from "./dom.js";
import { CHANGED, say } from "./language.js";
import { MASK, together } from "./validation.js";

/** More than this nobody reads. */
const SHOWN = 5;

/**
 * @typedef {import("./validation.js").Hint & {values?: Record<string, string | number>, act?: () => void, words?: string}} Hint
 *   act mends what no edit of the text can; words are the server's own
 */

/**
 * @param {HTMLUListElement} list
 * @param {HTMLTextAreaElement} area whose text is mended
 * @returns {{show: (hints: Hint[], isBatch?: boolean) => void}}
 */
export function makeHints(list, area) {
  let shown = "";
  let last = [[], false];

  const mend = (edits) => {
    const { start, end, text } = together(area.value, edits);
    type(area, start, end, text);
  };

  const show = (hints, isBatch = false) => {
    last = [hints, isBatch];
    const state = JSON.stringify([hints, isBatch, document.documentElement.lang]);
    if (state === shown) return; // what stays the same is not read out again
    shown = state;
    const mendable = hints.filter(({ edits, kind }) => edits.length && kind !== "too-many");
    const items = hints.slice(0, SHOWN).map((hint) => item(hint, isBatch, area, mend));
    if (hints.length > SHOWN || mendable.length > 1) {
      const all = h("button", { type: "button", click: () => mend(mendable.flatMap(({ edits }) => edits)) }, say("mend.all"));
      const more = hints.length > SHOWN ? say("hint.more", { count: hints.length - SHOWN }) : "";
      items.push(h("li.all", {}, h("span", {}, more), mendable.length > 1 && all));
    }
    list.replaceChildren(...items);
    list.hidden = !items.length;
  };
  document.addEventListener(CHANGED, () => show(...last));
  return { show };
}

function item(hint, isBatch, area, mend) {
  const line = isBatch && hint.line ? say("hint.line", { number: hint.line }) : "";
  const about = say(`hint.${hint.kind}`, { found: hint.found, ...hint.values });
  const words = h("span", {}, line + about, hint.words ? h("span", { lang: "en" }, ` ${hint.words}`) : "");
  return h("li", { "data-kind": hint.kind, "data-line": hint.line || null }, words, h("span.offers", {}, ...offers(hint, isBatch, area, mend)));
}

function offers(hint, isBatch, area, mend) {
  const button = (label, click) => h("button", { type: "button", click }, label);
  if (hint.kind === "no-mask") {
    const atEnd = button(say("mend.end"), () => mend(hint.edits));
    return isBatch ? [atEnd] : [button(say("mend.caret"), () => insertMask(area)), atEnd];
  }
  if (hint.kind === "too-many") return [button(say("mend.keep", hint.values), () => mend(hint.edits))];
  if (hint.kind === "too-long") return [button(say("mend.truncate"), hint.act ?? (() => mend(hint.edits)))];
  if (hint.act) return [button(say("mend"), hint.act)];
  return hint.edits.length ? [button(say("mend"), () => mend(hint.edits))] : [];
}

/**
 * Put [MASK] at the caret, or in place of what is selected.
 * @param {HTMLTextAreaElement} area
 */
export function insertMask(area) {
  type(area, area.selectionStart, area.selectionEnd, MASK);
}
