/** Show how near several texts are to each other: a table of the cosines of their vectors, coloured. */

import { h } from "./dom.js";
import { say } from "./language.js";
import { relationOf } from "./relation.js";

/** The most texts whose figures are written into the cells; more are told apart by colour. */
const WRITTEN = 10;
/** The most texts in a table; they are 1,600 cells. */
export const MOST = 40;
/** How much of the colour a cosine of 1 has; dark enough to be seen, light enough to be written on. */
const DEEPEST = 45;

/**
 * Return the cosine of two vectors.
 * @param {number[]} one
 * @param {number[]} other
 */
export function cosine(one, other) {
  const dot = one.reduce((sum, value, index) => sum + value * other[index], 0);
  return dot / (Math.hypot(...one) * Math.hypot(...other) || 1);
}

/**
 * Return the table.
 * @param {string[]} texts
 * @param {number[][]} vectors
 * @param {string} measure "whitened cosine" or "cosine"
 * @returns {Node}
 */
export function heatMap(texts, vectors, measure) {
  const isWritten = texts.length <= WRITTEN;
  const headings = texts.map((_, index) => h("th", { scope: "col" }, String(index + 1)));
  const rows = vectors.map((vector, row) => {
    const cells = vectors.map((other, column) => cell(row === column ? 1 : cosine(vector, other), row, column, measure, isWritten));
    return h("tr", {}, h("th", { scope: "row" }, h("span.number", {}, `${row + 1}`), h("span.text-name", { lang: "zh-CN", title: texts[row] }, texts[row])), ...cells);
  });
  const table = h(
    isWritten ? "table.heat" : "table.heat.small",
    {},
    h("caption.hidden", {}, say("features.heat")),
    h("thead", {}, h("tr", {}, h("td"), ...headings)),
    h("tbody", {}, ...rows),
  );
  return h("div.heat-frame", { "role": "region", "aria-label": say("features.heat"), "tabindex": "0" }, table);
}

function cell(value, row, column, measure, isWritten) {
  const figure = value.toFixed(2);
  if (row === column) return h("td.self", { "aria-label": figure }, isWritten ? "—" : "");
  const relation = relationOf(value, measure);
  const words = say("features.pair", { first: row + 1, second: column + 1, score: figure }) + (relation ? ` · ${say(`relation.${relation}`)}` : "");
  const depth = Math.round(Math.min(1, Math.abs(value)) * DEEPEST);
  return h("td", { "--depth": `${depth}%`, "--hue": value < 0 ? "var(--lean)" : "var(--accent)", "title": words }, isWritten ? figure : h("span.hidden", {}, figure));
}
