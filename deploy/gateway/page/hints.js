/** Hints about a text, each with a button that fixes it. */

import { h, type } from "./dom.js";
import { CHANGED, say } from "./language.js";
import { MASK, together } from "./validation.js";

/** The maximum number of hints to show. */
const SHOWN = 5;

/**
 * @typedef {import("./validation.js").Hint & {values?: Record<string, string | number>, act?: () => void, words?: string}} Hint
 *   act fixes what an edit of the text cannot; words are the server's message
 */

/**
 * @param {HTMLUListElement} list
 * @param {HTMLTextAreaElement} area whose text is fixed
 * @returns {{show: (hints: Hint[], isBatch?: boolean) => void}}
 */
export function makeHints(list, area) {
  let shown = "";
  let last = [[], false];

  const fix = (edits) => {
    const { start, end, text } = together(area.value, edits);
    type(area, start, end, text);
  };

  const show = (hints, isBatch = false) => {
    last = [hints, isBatch];
    const state = JSON.stringify([hints, isBatch, document.documentElement.lang]);
    if (state === shown) return; // unchanged hints are not announced again
    shown = state;
    const fixable = hints.filter(({ edits, kind }) => edits.length && kind !== "too-many");
    const items = hints.slice(0, SHOWN).map((hint) => item(hint, isBatch, area, fix));
    if (hints.length > SHOWN || fixable.length > 1) {
      const all = h("button", { type: "button", click: () => fix(fixable.flatMap(({ edits }) => edits)) }, say("fix.all"));
      const more = hints.length > SHOWN ? say("hint.more", { count: hints.length - SHOWN }) : "";
      items.push(h("li.all", {}, h("span", {}, more), fixable.length > 1 && all));
    }
    list.replaceChildren(...items);
    list.hidden = !items.length;
  };
  document.addEventListener(CHANGED, () => show(...last));
  return { show };
}

function item(hint, isBatch, area, fix) {
  const line = isBatch && hint.line ? say("hint.line", { number: hint.line }) : "";
  const about = say(`hint.${hint.kind}`, { found: hint.found, ...hint.values });
  const words = h("span", {}, line + about, hint.words ? h("span", { lang: "en" }, ` ${hint.words}`) : "");
  return h("li", { "data-kind": hint.kind, "data-line": hint.line || null }, words, h("span.offers", {}, ...offers(hint, isBatch, area, fix)));
}

function offers(hint, isBatch, area, fix) {
  const button = (label, click) => h("button", { type: "button", click }, label);
  if (hint.kind === "no-mask") {
    const atEnd = button(say("fix.end"), () => fix(hint.edits));
    return isBatch ? [atEnd] : [button(say("fix.caret"), () => insertMask(area)), atEnd];
  }
  if (hint.kind === "blank") {
    const key = h("kbd", {}, "Alt+M");
    return [h("button", { type: "button", "aria-keyshortcuts": "Alt+M", click: () => fix(hint.edits) }, say("fix.blank"), " ", key)];
  }
  if (hint.kind === "too-many") return [button(say("fix.keep", hint.values), () => fix(hint.edits))];
  if (hint.kind === "too-long") return [button(say("fix.truncate"), hint.act ?? (() => fix(hint.edits)))];
  if (hint.act) return [button(say("fix"), hint.act)];
  return hint.edits.length ? [button(say("fix"), () => fix(hint.edits))] : [];
}

/**
 * Put [MASK] at the caret, or in place of what is selected.
 * @param {HTMLTextAreaElement} area
 */
export function insertMask(area) {
  type(area, area.selectionStart, area.selectionEnd, MASK);
}
