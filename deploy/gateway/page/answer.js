/**
 * The structure of the fill tab's answer.
 *
 * @typedef {{score: number, token_str: string}} Candidate
 * @typedef {{score: number, token_str: string, words: string[]}} Whole
 * @typedef {object} LineAnswer the answer for one line
 * @property {import("./validation.js").Line} line
 * @property {Candidate[][]} masks candidates for each mask
 * @property {Whole[] | null} wholes whole words; null before they are there
 * @property {Map<string, import("./reasons.js").Explanation>} reasons of the candidates that were shown
 * @property {Map<string, import("./api.js").Problem>} refusals to explain what was shown
 * @property {number[]} picks which candidate of each mask the sentence shows
 * @property {number | null} pickedWhole or which whole words
 */

import { h } from "./dom.js";
import { percent, phrase, say } from "./language.js";
import { explanationsOf, refusalOf } from "./reasons.js";
import { leansOf, masksOf, runsOf, sentence, spread } from "./sentence.js";

/** Two candidates that are no further apart than this are a tie. */
const TIE = 0.05;

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
 * Return the best word of a line, and how sure it is.
 * @param {LineAnswer} answer
 */
export function best({ masks, wholes }) {
  if (wholes?.length) return { word: wholes[0].words.join(" "), score: wholes[0].score };
  return { word: masks.map(([first]) => word(first)).join(" "), score: Math.min(...masks.map(([first]) => first?.score ?? 0)) };
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

function folded(answer, open, { picked, unfolded }) {
  const { number } = answer.line;
  const { score } = best(answer);
  const isTie = answer.masks.some(tie);
  const summary = h(
    "summary",
    { id: `line-${number}` },
    h("span.number", { "aria-label": say("fill.line", { number }) }, String(number)),
    h("span.sentence", { lang: "zh-CN" }, ...filled(answer)),
    isTie ? h("span.badge", {}, say("fill.ambiguous.short")) : "",
    h("span.percent", {}, percent(score)),
  );
  const toggle = (event) => {
    if (!event.target.open) {
      open.delete(number);
      return;
    }
    open.add(number);
    unfolded();
  };
  return h("details", { open: open.has(number), toggle }, summary, ...studied(answer, picked));
}

/** The sentence with its words and marks on the explaining characters. */
function filled(answer) {
  const explanations = explanationsOf(answer).filter((explanation) => explanation && !explanation.note);
  return sentence(answer.line.text, fillsOf(answer), explanations.length ? leansOf(explanations) : []);
}

/** All that there is about a sentence. */
function studied(answer, picked) {
  const { masks } = answer;
  const isSingle = masks.length === 1;
  return [
    ...notes(masks),
    isSingle ? candidates(answer, 0, picked) : several(answer, picked),
    isSingle ? legend(answer, 0) : "",
    about(answer),
  ];
}

/** Candidates for each mask side by side, and whole words beside them. */
function several(answer, picked) {
  const areSeparate = answer.wholes !== null && answer.pickedWhole === null;
  const sections = answer.masks.map((_, index) =>
    h("section.mask", {}, h("h2", {}, say("fill.mask", { number: index + 1 })), candidates(answer, index, picked), areSeparate ? legend(answer, index) : ""),
  );
  return h("div.several", {}, answer.wholes ? whole(answer, picked) : awaitedWhole(answer), ...sections);
}

/** As high as the words will be, so that they move nothing. */
function awaitedWhole({ masks, line }) {
  const heights = { "--rows": masks[0].length, "--legends": runsOf(masksOf(line.text)).length };
  return h("section.whole.waiting", heights, h("h2", {}, say("fill.whole")));
}

function whole(answer, picked) {
  const { wholes, line, pickedWhole } = answer;
  const rows = wholes.map((filling, index) => {
    const pick = () => {
      answer.pickedWhole = index;
      picked(answer);
    };
    return row(filling.words.join(" "), filling.score, index, `whole-${line.number}-${index}`, pickedWhole === index, pick);
  });
  const words = pickedWhole === null ? [] : wholes[pickedWhole].words;
  const legends = words.map((word, gap) => legend(answer, gap, words.length > 1 ? word : null));
  const list = wholes.length ? h("ol.candidates", {}, ...rows) : h("p.about", {}, say("fill.whole.none"));
  return h("section.whole", {}, h("h2", {}, say("fill.whole")), list, h("p.about", {}, say("fill.whole.about")), ...legends);
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
    return row(word(candidate), candidate.score, index, `candidate-${answer.line.number}-${mask}-${index}`, isPicked, pick);
  });
  return h("ol.candidates", {}, ...rows);
}

function row(text, score, index, id, isPicked, pick) {
  const button = h(
    "button",
    { type: "button", id, "aria-pressed": String(isPicked), title: say("fill.preview", { word: text }), click: pick },
    h("span.token", { lang: "zh-CN" }, text),
    h("span.bar", { "aria-hidden": "true", "--score": score }),
    h("span.percent", {}, percent(score)),
  );
  return h(index === 0 ? "li.best" : "li", {}, button);
}

function notes(masks) {
  return masks.map((candidates, index) => {
    if (!tie(candidates)) return "";
    const [first, second] = candidates;
    const [one, other] = [first, second].map((candidate) => h("span", { lang: "zh-CN" }, word(candidate)));
    const values = { first: one, second: other, points: ((first.score - second.score) * 100).toFixed(1), number: String(index + 1) };
    return h("p.ambiguous", {}, ...phrase(masks.length === 1 ? "fill.ambiguous" : "fill.ambiguous.mask", values));
  });
}

/**
 * The explanation of a part of the shown answer, or a pending state.
 * @param {LineAnswer} answer
 * @param {number} index of the mask, or of the word where words are shown
 * @param {string | null} [of] the word, where several are shown together
 */
function legend(answer, index, of = null) {
  if (refusalOf(answer)) return "";
  const explanation = explanationsOf(answer)[index];
  const title = h("p.legend-title", {}, ...(of === null ? [say("fill.legend")] : phrase("fill.legend.word", { word: h("span", { lang: "zh-CN" }, of) })));
  if (explanation === undefined) return h("div.awaited", { "aria-busy": "true" }, title, h("p.about", {}, say("fill.legend.waiting")));
  if (explanation.note) return h("div.legend", {}, title, h("p.about", { lang: "en" }, explanation.note));
  const leans = leansOf([explanation]);
  if (!leans.length) return h("div.legend", {}, title, h("p.about", {}, say("fill.legend.none")));
  const tokens = leans.map(({ token, weight, strength, rank }) =>
    h("li", {}, h("span.lean.lean-token", { lang: "zh-CN", "data-rank": rank, "--strength": strength }, token), h("span.weight", {}, weight.toFixed(2))),
  );
  return h("div.legend", {}, title, h("ol", {}, ...tokens));
}

/** Explain the weights, or say why there are none. */
function about(answer) {
  const refusal = refusalOf(answer);
  if (refusal?.status === 501) return h("p.about", {}, say("fill.legend.unserved"));
  if (refusal) return h("p.about", {}, say("fill.legend.refused"), h("span", { lang: "en" }, ` ${refusal.message}`));
  return explanationsOf(answer).some((explanation) => explanation && !explanation.note) ? h("p.about", {}, say("fill.legend.about")) : "";
}

function fillsOf({ line, masks, wholes, picks, pickedWhole }) {
  if (pickedWhole !== null) return spread(line.text, wholes[pickedWhole].words);
  return masks.map((candidates, index) => (candidates[picks[index]] ? word(candidates[picks[index]]) : null));
}

/** A piece of a longer word is written ##…. */
function word(candidate) {
  return candidate?.token_str.replace(/^##/, "") ?? "";
}

function tie([first, second]) {
  return second !== undefined && first.score - second.score <= TIE;
}
