/** Find blanks as people write them in exercises; each may stand for a [MASK]. Pure functions. */

import { MASK } from "./mask.js";

const BLANK = new RegExp(
  [
    "[_＿]{2,}",
    "[□▢◻⬜]",
    String.raw`（\s*）|【\s*】|［\s*］`, // \s has the ideographic space, too
    String.raw`\(\s+\)|\[\s+\]`,
    String.raw`(?<!\w)(?:\(\)|\[\])`, // f() and a[] are code
  ].join("|"),
  "g",
);
/** Mostly a pause in speech, so only in a text without any other blank. */
const ELLIPSIS = /\.{3,}|…+|。{3,}/g;
/** Stands for a mask, so that brackets around one are not empty. */
const FILLED = "\ufffc".repeat(MASK.length);

/**
 * Return a hint that offers to replace a line's blanks, or null without blanks.
 * @param {import("./validation.js").Line} line
 * @returns {import("./validation.js").Hint | null} optional where the line has a mask and can be answered as it is
 */
export function blanksOf(line) {
  const hasMask = line.text.includes(MASK);
  const text = line.text.replaceAll(MASK, FILLED);
  let matches = [...text.matchAll(BLANK)];
  if (!matches.length && !hasMask) matches = [...text.matchAll(ELLIPSIS)];
  if (!matches.length) return null;
  const found = [...new Set(matches.map(([blank]) => blank))].slice(0, 3).join(" ");
  const edits = matches.map(({ 0: blank, index }) => {
    const start = line.start + index;
    return { start, end: start + blank.length, text: MASK };
  });
  return { kind: "blank", line: line.number, found, edits, isOptional: hasMask };
}
