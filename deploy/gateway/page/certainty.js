/**
 * How sure the model is of an answer, as a word. A probability is not the chance of being right, and that of several characters
 * together is small even for the only word that fits; so words are rated by the mean of their characters.
 *
 * @typedef {"likely" | "possible" | "guess"} Rating
 */

import { h } from "./dom.js";
import { phrase, say } from "./language.js";
import { word } from "./token.js";

const LIKELY = 0.5;
const POSSIBLE = 0.2;
/** Two candidates that are no further apart than this are a tie. */
const TIE = 0.05;

/** @type {Rating[]} from the best to the worst */
export const RATINGS = ["likely", "possible", "guess"];

/**
 * Return the rating of a probability of one character.
 * @param {number} share
 * @returns {Rating}
 */
export function ratingOf(share) {
  if (share >= LIKELY) return "likely";
  return share >= POSSIBLE ? "possible" : "guess";
}

/**
 * Return the geometric mean of the probabilities of a filling's tokens.
 * @param {import("./answer.js").Whole} filling
 */
export function meanShare({ log_likelihood: logLikelihood, tokens }) {
  return Math.exp(logLikelihood / tokens.length);
}

/**
 * Return how sure an answer is, from 0 to 1: the mean share of its best words, or that of its least certain mask.
 * @param {import("./answer.js").LineAnswer} answer
 */
export function certainty({ masks, wholes }) {
  if (wholes?.length) return meanShare(wholes[0]);
  return Math.min(...masks.map(([first]) => first?.score ?? 0));
}

/**
 * Return whether an answer is all guesswork.
 * @param {import("./answer.js").LineAnswer} answer
 */
export function isGuesswork(answer) {
  return choices(answer).every(([first]) => ratingOf(first?.share ?? 0) === "guess");
}

/**
 * Return whether two candidates of an answer are about as likely as each other.
 * @param {import("./answer.js").LineAnswer} answer
 */
export function isTied(answer) {
  return choices(answer).some(tie);
}

/**
 * Return one note on an answer that nobody should rely on, or an empty string.
 * @param {import("./answer.js").LineAnswer} answer
 * @returns {Node | string}
 */
export function note(answer) {
  const found = choices(answer);
  const tied = found.flatMap((candidates, index) => (tie(candidates) ? [index] : []));
  if (isGuesswork(answer)) return h("p.ambiguous", {}, say("fill.guesswork"));
  if (!tied.length) return "";
  if (tied.length > 1) {
    const numbers = tied.map((index) => index + 1).join(say("fill.status.comma"));
    return h("p.ambiguous", {}, say("fill.ambiguous.masks", { numbers }));
  }
  const [first, second] = found[tied[0]];
  const [one, other] = [first, second].map(({ text }) => h("span", { lang: "zh-CN" }, text));
  const values = { first: one, second: other, points: ((first.share - second.share) * 100).toFixed(1), number: String(tied[0] + 1) };
  return h("p.ambiguous", {}, ...phrase(found.length === 1 ? "fill.ambiguous" : "fill.ambiguous.mask", values));
}

/** The candidates to choose between, best first: whole words where there are some, else those of each mask. */
function choices({ masks, wholes }) {
  if (wholes?.length) return [wholes.map((filling) => ({ text: filling.words.join(" "), share: meanShare(filling) }))];
  return masks.map((candidates) => candidates.map((candidate) => ({ text: word(candidate), share: candidate.score })));
}

function tie([first, second]) {
  return second !== undefined && first.share - second.share <= TIE;
}
