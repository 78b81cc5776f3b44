/** Results as tables and files. */

import { h } from "./dom.js";

/** What spreadsheets take for the beginning of a formula (OWASP, CSV injection). */
const FORMULA = /^[=+\-@\t\r]/;
const LINE_END = "\r\n"; // RFC 4180
const BYTE_ORDER_MARK = "\ufeff"; // without it, Excel reads another encoding than UTF-8

/**
 * @typedef {Record<string, string | number>} Row
 */

/**
 * Return rows as CSV, with a heading.
 * @param {Row[]} rows at least one
 */
export function csv(rows) {
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return BYTE_ORDER_MARK + table(rows, ",", quoted);
}

/**
 * Return rows separated by tabs, as spreadsheets take them from the clipboard.
 * @param {Row[]} rows at least one
 */
export function tsv(rows) {
  return table(rows, "\t", (value) => value.replace(/[\t\r\n]+/g, " "));
}

/**
 * Return values as JSON lines.
 * @param {unknown[]} values
 */
export function jsonLines(values) {
  return values.map((value) => `${JSON.stringify(value)}\n`).join("");
}

/**
 * Have the browser save a text.
 * @param {string} name of the file
 * @param {string} type
 * @param {string} text
 */
export function download(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000); // the download reads it first
}

function table(rows, separator, written) {
  const safe = (value) => (typeof value === "string" && FORMULA.test(value) ? `'${value}` : String(value));
  const lines = [Object.keys(rows[0]), ...rows.map((row) => Object.values(row))];
  return lines.map((line) => line.map((value) => written(safe(value))).join(separator) + LINE_END).join("");
}
