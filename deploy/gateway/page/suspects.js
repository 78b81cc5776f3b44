/**
 * The structure of the proofread tab's answer.
 *
 * @typedef {{score: number, token_str: string}} Suggestion
 * @typedef {{score: number, token_str: string, start: number, end: number, suggestions: Suggestion[]}} Suspect
 *   start and end count code points of its line
 * @typedef {{line: import("./validation.js").Line, suspects: Suspect[] | null}} LineSuspects null before the answer
 */

import { h } from "./dom.js";
import { language, percent, phrase, say } from "./language.js";

/**
 * Return the element id of a suspect.
 * @param {import("./validation.js").Line} line
 * @param {Suspect} suspect
 */
export function idOf(line, suspect) {
  return `suspect-${line.number}-${suspect.start}`;
}

/**
 * Return the place of a suspect in the whole text, as JavaScript counts.
 * @param {import("./validation.js").Line} line
 * @param {Suspect} suspect
 */
export function placeOf(line, { start, end }) {
  const characters = Array.from(line.text);
  const before = characters.slice(0, start).join("").length;
  return { start: line.start + before, end: line.start + before + characters.slice(start, end).join("").length };
}

/**
 * Return the element of a line with its suspects as buttons.
 * @param {LineSuspects} found
 * @param {(line: import("./validation.js").Line, suspect: Suspect, isOpened: boolean) => void} chosen called on focus and click;
 *   isOpened if a key has opened the suggestions
 * @returns {HTMLElement}
 */
export function marked({ line, suspects }, chosen) {
  const characters = Array.from(line.text);
  const nodes = [];
  let end = 0;
  for (const suspect of suspects ?? []) {
    const word = characters.slice(suspect.start, suspect.end).join("");
    const button = h(
      "button.suspect",
      {
        type: "button",
        id: idOf(line, suspect),
        "aria-expanded": "false",
        focus: () => chosen(line, suspect, false),
        click: (event) => chosen(line, suspect, event.detail === 0), // 0 for Enter, Space and screen readers
      },
      word,
    );
    nodes.push(characters.slice(end, suspect.start).join(""), button);
    end = suspect.end;
  }
  const sentence = h("p.sentence", { lang: "zh-CN" }, ...nodes, characters.slice(end).join(""));
  return h(suspects ? "div.proofread-line" : "div.proofread-line.waiting", { "data-line": line.number }, sentence);
}

/**
 * Return the suggestions for a suspect.
 * @param {Suspect} suspect
 * @param {{replaced: (suggestion: Suggestion) => void, kept: () => void}} how
 * @returns {Node[]}
 */
export function suggestions(suspect, { replaced, kept }) {
  const word = h("strong", { lang: "zh-CN" }, suspect.token_str);
  const rows = suspect.suggestions.map((suggestion, index) => {
    const title = say("proofread.replace", { word: suggestion.token_str });
    const attributes = { type: "button", id: `suggestion-${index}`, title, click: () => replaced(suggestion) };
    const parts = [h("span.token", { lang: "zh-CN" }, suggestion.token_str), h("span.percent", {}, percent(suggestion.score))];
    return h("li", {}, h("button", attributes, ...parts));
  });
  return [
    h("p", {}, ...phrase("proofread.odds", { word, odds: odds(suspect.score) })),
    h("ol.suggestions", {}, ...rows),
    h("button.quiet.keep", { type: "button", id: "suggestion-keep", click: kept }, ...phrase("proofread.keep", { word: h("span", { lang: "zh-CN" }, suspect.token_str) })),
  ];
}

/** Return the number N of a probability of 1 in N. */
function odds(score) {
  return new Intl.NumberFormat(language(), { maximumSignificantDigits: 2 }).format(1 / Math.max(score, 1e-9));
}
