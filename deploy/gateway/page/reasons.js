/**
 * What the answers of a line lean on, kept for each candidate: going back to one is instant, and an answer that comes late can
 * only be taken for its own candidate.
 *
 * @typedef {{text: string, weights: {token_str: string, weight: number, span: [number, number]}[], note: string | null}} Explanation
 *   as /v1/explain gives it
 * @typedef {import("./answer.js").LineAnswer} LineAnswer
 */

/**
 * Return what the sentence of a line shows: the words that are filled in together, or a candidate for each mask by itself.
 * @param {LineAnswer} answer
 * @returns {{keys: string[], target: string[], joint: boolean}} target and joint ask for the explanations that keys stand for
 */
export function shown({ masks, picks, wholes, pickedWhole }) {
  if (pickedWhole !== null) {
    const { words } = wholes[pickedWhole];
    return { keys: words.map((_, gap) => `whole-${pickedWhole}-${gap}`), target: words, joint: true };
  }
  const keys = picks.map((pick, mask) => `${mask}-${pick}`);
  return { keys, target: masks.map((candidates, mask) => candidates[picks[mask]]?.token_str ?? ""), joint: false };
}

/**
 * Return the explanations of what is shown, undefined for those that are not there.
 * @param {LineAnswer} answer
 * @returns {(Explanation | undefined)[]}
 */
export function explanationsOf(answer) {
  return shown(answer).keys.map((key) => answer.reasons.get(key));
}

/**
 * Return why what is shown cannot be explained, undefined if nothing is known of that.
 * @param {LineAnswer} answer
 * @returns {import("./api.js").Problem | undefined}
 */
export function refusalOf(answer) {
  return answer.refusals.get(shown(answer).keys.join());
}

/**
 * Return whether what is shown is still to be explained.
 * @param {LineAnswer} answer
 */
export function isUnexplained(answer) {
  return refusalOf(answer) === undefined && explanationsOf(answer).includes(undefined);
}
