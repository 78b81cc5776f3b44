/**
 * The structure of the classify tab's answer.
 *
 * @typedef {{label: string, score: number}} Label
 * @typedef {{line: import("./validation.js").Line, labels: Label[]}} LineLabels labels of a line, best first
 */

import { h } from "./dom.js";
import { percent, say } from "./language.js";

/** How many labels are shown before the rest is folded away. */
const SHOWN = 10;

/**
 * Return the labels of a text with bars.
 * @param {Label[]} found best first
 * @returns {Node[]}
 */
export function labels(found) {
  const rest = found.slice(SHOWN);
  const list = (part, first) => h("ol.candidates.labels", {}, ...part.map((one, index) => row(one, index === 0 && first)));
  if (!rest.length) return [list(found, true)];
  const more = h("summary", {}, say("classify.rest", { count: rest.length }));
  return [list(found.slice(0, SHOWN), true), h("details.rest", {}, more, list(rest, false))];
}

/**
 * Return the elements for several texts.
 * @param {LineLabels[]} lines
 * @param {Set<number>} open numbers of the lines that are unfolded; kept up to date
 * @returns {Node}
 */
export function batch(lines, open) {
  return h("ol.batch", {}, ...lines.map((one) => h("li", { "data-line": one.line.number }, folded(one, open))));
}

function folded({ line, labels: found }, open) {
  const { number } = line;
  const [best] = found;
  const summary = h(
    "summary",
    { id: `classified-${number}` },
    h("span.number", { "aria-label": say("fill.line", { number }) }, String(number)),
    h("span.sentence", { lang: "zh-CN" }, line.text),
    h("span.badge.label", {}, best.label),
    h("span.percent", {}, percent(best.score)),
  );
  const toggle = (event) => (event.target.open ? open.add(number) : open.delete(number));
  return h("details", { open: open.has(number), toggle }, summary, ...labels(found));
}

function row({ label, score }, isBest) {
  return h(
    isBest ? "li.best" : "li",
    {},
    h("span.token", {}, label),
    h("span.bar", { "aria-hidden": "true", "--score": score }),
    h("span.percent", {}, percent(score)),
  );
}
