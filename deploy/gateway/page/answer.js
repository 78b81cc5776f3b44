/**
 * What the answer to the fill tab looks like.
 *
 * @typedef {{score: number, token_str: string}} Candidate
 * @typedef {{score: number, token_str: string, words: string[]}} Whole
 * @typedef {object} LineAnswer the answer for one line
 * @property {import("./validation.js").Line} line
 * @property {Candidate[][]} masks candidates for each mask
 * @property {Whole[] | null} wholes whole words; null before they are there
 * @property {import("./sentence.js").Lean[][] | null} leans for each mask; null before they are there
 * @property {import("./sentence.js").Lean[] | null} marks for all masks together; null before they are there
 * @property {boolean} [isUnexplained] whether they cannot be found
 * @property {number[]} picks which candidate of each mask the sentence shows
 * @property {number | null} pickedWhole or which whole words
 */

import { h } from "./dom.js";
import { percent, phrase, say } from "./language.js";
import { sentence, spread } from "./sentence.js";

/** Two candidates that are no further apart than this are a tie. */
const TIE = 0.05;

/**
 * Return the elements for one sentence.
 * @param {LineAnswer} answer
 * @param {() => void} changed called when the reader has picked another candidate
 * @returns {Node[]}
 */
export function one(answer, changed) {
  return [h("p.sentence", { lang: "zh-CN" }, ...filled(answer)), ...studied(answer, changed)];
}

/**
 * Return the elements for several sentences.
 * @param {LineAnswer[]} answers
 * @param {Set<number>} open numbers of the lines that are unfolded; kept up to date
 * @param {{changed: () => void, unfolded: (answer: LineAnswer) => void}} how
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

function folded(answer, open, { changed, unfolded }) {
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
    unfolded(answer);
  };
  return h("details", { open: open.has(number), toggle }, summary, ...studied(answer, changed));
}

/** The sentence with its words, and marks on what they lean on. */
function filled(answer) {
  return sentence(answer.line.text, fillsOf(answer), answer.marks ?? []);
}

/** All that there is about a sentence. */
function studied(answer, changed) {
  const { masks, leans } = answer;
  const isSingle = masks.length === 1;
  return [
    ...notes(masks),
    isSingle ? candidates(answer, 0, changed) : several(answer, changed),
    isSingle && leans ? legend(leans[0]) : "",
    about(answer),
  ];
}

/** Candidates for each mask side by side, and whole words beside them. */
function several(answer, changed) {
  const sections = answer.masks.map((_, index) =>
    h(
      "section.mask",
      {},
      h("h2", {}, say("fill.mask", { number: index + 1 })),
      candidates(answer, index, changed),
      answer.leans ? legend(answer.leans[index]) : "",
    ),
  );
  return h("div.several", {}, answer.wholes ? whole(answer, changed) : h("section.whole.waiting", { "--rows": answer.masks[0].length }, h("h2", {}, say("fill.whole"))), ...sections);
}

function whole(answer, changed) {
  const { wholes, line } = answer;
  const rows = wholes.map((filling, index) => {
    const pick = () => {
      answer.pickedWhole = index;
      changed();
    };
    return row(filling.words.join(" "), filling.score, index, `whole-${line.number}-${index}`, answer.pickedWhole === index, pick);
  });
  const list = wholes.length ? h("ol.candidates", {}, ...rows) : h("p.about", {}, say("fill.whole.none"));
  return h("section.whole", {}, h("h2", {}, say("fill.whole")), list, h("p.about", {}, say("fill.whole.about")));
}

function candidates(answer, mask, changed) {
  const rows = answer.masks[mask].map((candidate, index) => {
    const pick = () => {
      if (answer.pickedWhole !== null) answer.picks = answer.masks.map(() => 0);
      answer.pickedWhole = null;
      answer.picks[mask] = index;
      changed();
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

function legend(leans) {
  const title = h("p.legend-title", {}, say("fill.legend"));
  if (!leans.length) return h("div.legend", {}, title, h("p.about", {}, say("fill.legend.none")));
  const tokens = leans.map(({ token, weight, strength, rank }) =>
    h("li", {}, h("span.lean.lean-token", { lang: "zh-CN", "data-rank": rank, "--strength": strength }, token), h("span.weight", {}, weight.toFixed(2))),
  );
  return h("div.legend", {}, title, h("ol", {}, ...tokens));
}

/** Explain the weights, or say why there are none. */
function about({ leans, isUnexplained }) {
  if (isUnexplained) return h("p.about", {}, say("fill.legend.unserved"));
  return leans ? h("p.about", {}, say("fill.legend.about")) : "";
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
