/** The fill tab's requests. */

import { ask } from "./api.js";

/**
 * @typedef {object} Question
 * @property {import("./validation.js").Line[]} lines
 * @property {number} topK
 * @property {boolean} truncate
 * @property {string[]} targets words to choose from; without any, the model chooses from its vocabulary
 * @property {boolean} skipPunctuation
 * @property {number} partSize the most lines of one request
 * @property {number} since time stamp of the key
 * @property {boolean} isEager whether the reader has asked by the button, and does not pause first
 */

/** What separates words in the field: punctuation of both languages, and spaces. */
const SEPARATORS = /[\s,，、;；]+/;

/**
 * Return the words that a reader has written into the field.
 * @param {string} text
 */
export function targetsOf(text) {
  return [...new Set(text.split(SEPARATORS).filter(Boolean))];
}

/**
 * Return the parameters of a question, as the API names them.
 * @param {Question} question
 */
export function parametersOf({ topK, truncate, targets, skipPunctuation }) {
  if (targets.length) return { top_k: topK, targets, truncate };
  return { top_k: topK, skip_punctuation: skipPunctuation, truncate };
}

/**
 * Ask about lines.
 * @param {import("./validation.js").Line[]} lines as many as the gateway takes at a time
 * @param {Question} question
 * @param {AbortSignal} signal
 * @returns {Promise<{found: import("./answer.js").LineAnswer[], serverMs: number, modelMs: number}>}
 */
export async function askLines(lines, question, signal) {
  const inputs = lines.map(({ text }) => text);
  const { answer, serverMs, modelMs } = await ask("fill-mask", { inputs, parameters: parametersOf(question) }, signal);
  const read = question.targets.length ? givenWords : candidates;
  const found = lines.map((line, index) => ({ line, reasons: new Map(), refusals: new Map(), ...read(answer[index]) }));
  return { found, serverMs, modelMs };
}

function candidates(one) {
  const masks = Array.isArray(one[0]) ? one : [one];
  return { masks, wholes: null, picks: masks.map(() => 0), pickedWhole: null };
}

function givenWords(fillings) {
  return { masks: [], wholes: fillings, picks: [], pickedWhole: fillings.length ? 0 : null };
}
