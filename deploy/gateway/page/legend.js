/** Explain a shown answer: what becomes of it when the model cannot see a character. */

import { h } from "./dom.js";
import { phrase, say, share } from "./language.js";
import { explanationsOf, refusalOf } from "./reasons.js";
import { leansOf } from "./sentence.js";

/**
 * Return the explanation of a part of the shown answer, or a pending state.
 * @param {import("./answer.js").LineAnswer} answer
 * @param {number} index of the mask, or of the word where words are shown
 * @param {string | null} [of] the word, where several are shown together
 * @returns {Node | string}
 */
export function legend(answer, index, of = null) {
  if (refusalOf(answer)) return "";
  const explanation = explanationsOf(answer)[index];
  const title = h("p.legend-title", {}, ...(of === null ? [say("fill.legend")] : phrase("fill.legend.word", { word: h("span", { lang: "zh-CN" }, of) })));
  if (explanation === undefined) return h("div.awaited", { "aria-busy": "true" }, title, h("p.about", {}, say("fill.legend.waiting")));
  if (explanation.note) return h("div.legend", {}, title, h("p.about", { lang: "en" }, explanation.note));
  const leans = leansOf([explanation]);
  if (!leans.length) return h("div.legend", {}, title, h("p.about", {}, say("fill.legend.none")));
  return h("div.legend", {}, title, h("ol", {}, ...leans.map((lean) => h("li", { "data-weight": lean.weight }, ...reason(lean, explanation)))));
}

/**
 * Return why an answer has no explanation, or an empty string.
 * @param {import("./answer.js").LineAnswer} answer
 * @returns {Node | string}
 */
export function refusalNote(answer) {
  const refusal = refusalOf(answer);
  if (!refusal) return "";
  if (refusal.status === 501) return h("p.about", {}, say("fill.legend.unserved"));
  if (!refusal.message) return h("p.about", {}, say("fill.legend.length"));
  return h("p.about", {}, say("fill.legend.refused"), h("span", { lang: "en" }, ` ${refusal.message}`));
}

/** A weight of occlusion is the fall of the log-probability; of other methods it has no such meaning. */
function reason({ token, weight, strength, rank }, { method, prediction }) {
  const mark = h("span.lean.lean-token", { lang: "zh-CN", "data-rank": rank, "--strength": strength }, token);
  if (method !== "occlusion" || !prediction) return [mark, h("span.weight", {}, weight.toFixed(2))];
  const before = prediction.log_likelihood === undefined ? prediction.score : Math.exp(prediction.log_likelihood);
  const [from, to] = [before, before * Math.exp(-weight)].map((value) => h("span.share", {}, share(value)));
  return phrase("fill.legend.drop", { token: mark, from, to });
}
