/**
 * The structure of the fill tab's answer.
 *
 * @typedef {{score: number, token_str: string}} Candidate
 * @typedef {{score: number, log_likelihood: number, tokens: number[], token_str: string, words: string[]}} Whole
 * @typedef {object} LineAnswer the answer for one line
 * @property {import("./validation.js").Line} line
 * @property {Candidate[][]} masks candidates for each mask; empty where the reader has given the words
 * @property {Whole[] | null} wholes whole words; null before they are there
 * @property {Map<string, import("./reasons.js").Explanation>} reasons of the candidates that were shown
 * @property {Map<string, import("./api.js").Problem>} refusals to explain what was shown
 * @property {number[]} picks which candidate of each mask the sentence shows
 * @property {number | null} pickedWhole or which whole words
 */

import { certainty, isGuesswork, isTied, note, ratingOf } from "./certainty.js";
import { h } from "./dom.js";
import { percent, say } from "./language.js";
import { legend, refusalNote } from "./legend.js";
import { explanationsOf } from "./reasons.js";
import { leansOf, readPart, sentence, spread } from "./sentence.js";
import { word } from "./token.js";
import { MASK } from "./validation.js";
import { several } from "./whole-words.js";

/**
 * Return the elements for one sentence.
 * @param {LineAnswer} answer
 * @param {(answer: LineAnswer) => void} picked called when the reader has picked another candidate
 * @returns {Node[]}
 */
export function one(answer, picked) {
  return [h("p.sentence", { lang: "zh-CN" }, ...filled(answer)), ...studied(answer, picked)];
}

/**
 * Return the elements for several sentences.
 * @param {LineAnswer[]} answers
 * @param {Set<number>} open numbers of the lines that are unfolded; kept up to date
 * @param {{picked: (answer: LineAnswer) => void, unfolded: () => void}} how
 * @returns {Node}
 */
export function batch(answers, open, how) {
  return h("ol.batch", {}, ...answers.map((answer) => h("li", { "data-line": answer.line.number }, folded(answer, open, how))));
}

/**
 * Return the best words of a line, and how sure they are.
 * @param {LineAnswer} answer
 * @returns {{word: string, score: number, rating: string}} rating is for people: a percentage for one character, else a word
 */
export function best(answer) {
  const { masks, wholes } = answer;
  const score = certainty(answer);
  const rating = masks.length === 1 && !wholes ? percent(score) : say(`rating.${ratingOf(score)}`);
  const words = wholes?.length ? wholes[0].words : masks.map(([first]) => word(first));
  return { word: words.join(" "), score, rating };
}

/**
 * Return the explanation of the shown answer as a sentence, empty if unknown.
 * @param {LineAnswer} answer
 */
export function leaning(answer) {
  const explanations = explanationsOf(answer);
  if (explanations.some((explanation) => !explanation || explanation.note)) return "";
  const tokens = leansOf(explanations).map(({ token }) => token).join(say("fill.status.comma"));
  return tokens ? say("fill.status.leans", { tokens }) : say("fill.legend.none");
}

/**
 * Return what a line's sentence shows for each mask; null leaves the gap open.
 * @param {LineAnswer} answer
 * @returns {(string | null)[]}
 */
export function fillsOf({ line, masks, wholes, picks, pickedWhole }) {
  if (pickedWhole !== null) return spread(line.text, wholes[pickedWhole].words);
  return masks.map((candidates, index) => (candidates[picks[index]] ? word(candidates[picks[index]]) : null));
}

/**
 * Return the shown answer of a line as a row of a table.
 * @param {LineAnswer} answer
 * @returns {import("./table-files.js").Row}
 */
export function row(answer) {
  const fills = fillsOf(answer).map((fill) => fill ?? MASK);
  const pieces = answer.line.text.split(MASK);
  const words = answer.pickedWhole === null ? fills : answer.wholes[answer.pickedWhole].words;
  const sequence = pieces.map((piece, index) => piece + (fills[index] ?? "")).join("");
  return { line: answer.line.number, text: answer.line.text, words: words.join(" "), sequence, certainty: Number(certainty(answer).toFixed(4)) };
}

/**
 * Return all that the model said about a line.
 * @param {LineAnswer} answer
 */
export function value(answer) {
  const masks = answer.masks.map((candidates) => candidates.map(({ token_str, score }) => ({ token_str, score })));
  const wholes = answer.wholes?.map(({ words, score, log_likelihood }) => ({ words, score, log_likelihood })) ?? null;
  return { ...row(answer), masks, wholes };
}

function folded(answer, open, { picked, unfolded }) {
  const { number } = answer.line;
  const isFigure = answer.masks.length === 1; // a word says by itself that it is a guess
  const warning = isGuesswork(answer) ? isFigure && "fill.guesswork.short" : isTied(answer) && "fill.ambiguous.short";
  const summary = h(
    "summary",
    { id: `line-${number}` },
    h("span.number", { "aria-label": say("fill.line", { number }) }, String(number)),
    h("span.sentence", { lang: "zh-CN" }, ...filled(answer)),
    warning && h("span.badge", {}, say(warning)),
    h("span.percent", {}, best(answer).rating),
  );
  const details = h("details", { open: open.has(number) }, summary);
  const unfold = () => details.childElementCount > 1 || details.append(...studied(answer, picked)); // not for each of a thousand lines
  if (details.open) unfold();
  details.addEventListener("toggle", () => {
    if (!details.open) {
      open.delete(number);
      return;
    }
    open.add(number);
    unfold();
    unfolded();
  });
  return details;
}

/** The sentence with its words and marks on the explaining characters. */
function filled(answer) {
  const explanations = explanationsOf(answer).filter((explanation) => explanation && !explanation.note);
  const leans = explanations.length ? leansOf(explanations) : [];
  return sentence(answer.line.text, fillsOf(answer), leans, readPart(answer.line.text, explanations));
}

/** All that there is about a sentence. */
function studied(answer, picked) {
  const list = (index) => candidates(answer, index, picked);
  if (answer.masks.length !== 1) return [several(answer, picked, list), refusalNote(answer)].filter(Boolean);
  return [note(answer), list(0), legend(answer, 0), refusalNote(answer)].filter(Boolean);
}

function candidates(answer, mask, picked) {
  const rows = answer.masks[mask].map((candidate, index) => {
    const pick = () => {
      if (answer.pickedWhole !== null) answer.picks = answer.masks.map(() => 0);
      answer.pickedWhole = null;
      answer.picks[mask] = index;
      picked(answer);
    };
    const isPicked = answer.pickedWhole === null && answer.picks[mask] === index;
    return candidateRow(word(candidate), candidate.score, index, `candidate-${answer.line.number}-${mask}-${index}`, isPicked, pick);
  });
  return h("ol.candidates", {}, ...rows);
}

function candidateRow(text, score, index, id, isPicked, pick) {
  const button = h(
    "button",
    { type: "button", id, "aria-pressed": String(isPicked), title: say("fill.preview", { word: text }), click: pick },
    h("span.token", { lang: "zh-CN" }, text),
    h("span.bar", { "aria-hidden": "true", "--score": score }),
    h("span.percent", {}, percent(score)),
  );
  return h(index === 0 ? "li.best" : "li", {}, button);
}
