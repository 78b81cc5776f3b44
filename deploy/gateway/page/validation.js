/**
 * What keeps a text from being asked, and how to fix it; as the client checks texts (bert_mlm_client.tokens). Pure functions.
 *
 * @typedef {{start: number, end: number, text: string}} Edit places in the whole text, as JavaScript counts them
 * @typedef {{kind: string, line: number, found: string, edits: Edit[], isOptional?: boolean}} Hint line counts from 1; edits fix it;
 *   with an optional one, the line can be asked as it is
 * @typedef {{number: number, start: number, text: string}} Line number counts from 1, start is its place in the text
 */

import { blanksOf } from "./blanks.js";
import { MASK } from "./mask.js";

export { MASK };

// What people write when they mean [MASK], once full-width letters are narrow.
const MISSPELT = new RegExp(
  [
    String.raw`[\[［【]\s*mask\s*[\]］】]`, // [mask], ［MASK］, [ MASK ]
    String.raw`[<{]\s*mask\s*[>}]`, // <mask>, as other models write it
    String.raw`\[mask(?![a-z\]])`, // [MASK without its end
    String.raw`(?<![a-z\[])mask\]`, // MASK] without its beginning; in capitals only, see below
  ].join("|"),
  "gi",
);
// Only applies without another mask, where the gateway would report a missing one.
const MEANT = /[［【〔]\s*mask|mask\s*[\]］】〕]|(?<![A-Z])MASK(?![A-Z])/gi;
const CONTROL = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;
const SURROGATE = /[\ud800-\udfff]/gu; // with u: halves only
const WIDE = /[Ａ-Ｚａ-ｚ＜＞｛｝]/g;
const TO_NARROW = "Ａ".charCodeAt(0) - "A".charCodeAt(0);
const ENDING = /[\s。．.！!？?；;…”’」』）)]*$/;

/**
 * Return the lines that are not blank.
 * @param {string} text
 * @returns {Line[]}
 */
export function linesOf(text) {
  let start = 0;
  const lines = text.split("\n").map((line, index) => {
    const found = { number: index + 1, start, text: line };
    start += line.length + 1;
    return found;
  });
  return lines.filter((line) => line.text.trim());
}

/**
 * Return what is wrong with a line.
 * @param {Line} line
 * @param {boolean} [needsMask]
 * @returns {Hint[]}
 */
export function check(line, needsMask = true) {
  const hints = [hidden("control", CONTROL, line), hidden("surrogate", SURROGATE, line)].filter(Boolean);
  if (!needsMask) return hints;
  const rest = narrow(line.text.replaceAll(MASK, " ".repeat(MASK.length)));
  let misspelt = [...rest.matchAll(MISSPELT)].filter(([found]) => !/^mask\]/i.test(found) || found === "MASK]");
  const hasMask = line.text.includes(MASK);
  if (!misspelt.length && !hasMask) misspelt = [...rest.matchAll(MEANT)].filter(([found]) => /\W/.test(found) || found === "MASK");
  for (const match of misspelt) {
    const start = line.start + match.index;
    const found = line.text.slice(match.index, match.index + match[0].length);
    const edits = [{ start, end: start + found.length, text: MASK }];
    hints.push({ kind: kindOf(found), line: line.number, found, edits });
  }
  const blanks = misspelt.length ? null : blanksOf(line);
  if (blanks) hints.push(blanks);
  if (!misspelt.length && !blanks && !hasMask) {
    const end = line.start + line.text.search(ENDING);
    hints.push({ kind: "no-mask", line: line.number, found: "", edits: [{ start: end, end, text: MASK }] });
  }
  return hints;
}

/**
 * Return the part of a text that edits change, and what it becomes.
 * @param {string} text
 * @param {Edit[]} edits
 * @returns {Edit}
 */
export function together(text, edits) {
  const sorted = edits.toSorted((one, other) => one.start - other.start || one.end - other.end);
  const start = sorted[0].start;
  let end = start;
  let fixed = "";
  for (const edit of sorted) {
    fixed += text.slice(end, edit.start) + edit.text;
    end = edit.end;
  }
  return { start, end, text: fixed };
}

/** Write full-width letters, as an input method leaves them, as ASCII; every character stays in its place. */
function narrow(text) {
  return text.replace(WIDE, (wide) => String.fromCharCode(wide.charCodeAt(0) - TO_NARROW));
}

function kindOf(found) {
  if (narrow(found) !== found) return "width";
  if (/[^\[\]\w\s]/.test(found)) return "brackets";
  if (found === "MASK") return "bare";
  if (!found.endsWith("]")) return "unclosed";
  return found.startsWith("[") || found !== "MASK]" ? "case" : "unopened";
}

/** Return a hint about invisible characters, with edits that remove them. */
function hidden(kind, pattern, line) {
  const matches = [...line.text.matchAll(pattern)];
  if (!matches.length) return null;
  const codes = new Set(matches.map(([character]) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`));
  const edits = matches.map(({ index }) => ({ start: line.start + index, end: line.start + index + 1, text: "" }));
  return { kind, line: line.number, found: [...codes].slice(0, 3).join(", "), edits };
}
