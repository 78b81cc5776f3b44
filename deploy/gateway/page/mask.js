/** The token that stands for a missing character. */

export const MASK = "[MASK]";

/**
 * Return the places of a text's masks, as JavaScript counts them.
 * @param {string} text
 * @returns {{start: number, end: number}[]}
 */
export function maskRanges(text) {
  const ranges = [];
  for (let start = text.indexOf(MASK); start !== -1; start = text.indexOf(MASK, start + MASK.length)) {
    ranges.push({ start, end: start + MASK.length });
  }
  return ranges;
}
