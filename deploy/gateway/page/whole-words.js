/** The answer for several masks: whole words first, the candidates for each mask folded away. */

import { meanShare, note, ratingOf } from "./certainty.js";
import { h } from "./dom.js";
import { percent, say } from "./language.js";
import { legend } from "./legend.js";
import { masksOf, runsOf } from "./sentence.js";

let areMasksOpen = false; // whether the reader has unfolded them, for this text and the next

/**
 * Return the elements for several masks, or for given words.
 * @param {import("./answer.js").LineAnswer} answer
 * @param {(answer: import("./answer.js").LineAnswer) => void} picked called when the reader has picked other words
 * @param {(index: number) => Node} candidates makes the list for a mask
 * @returns {Node}
 */
export function several(answer, picked, candidates) {
  const isPickedApart = answer.wholes !== null && answer.pickedWhole === null;
  const sections = answer.masks.map((_, index) =>
    h("section.mask", {}, h("h2", {}, say("fill.mask", { number: index + 1 })), candidates(index), isPickedApart ? legend(answer, index) : ""),
  );
  return h("div.several", {}, answer.wholes ? whole(answer, picked) : awaitedWhole(answer), sections.length > 0 && folded(answer, sections, isPickedApart));
}

function folded({ line, masks }, sections, isPickedApart) {
  const click = ({ currentTarget }) => (areMasksOpen = !currentTarget.parentElement.open);
  const summary = h("summary", { id: `masks-${line.number}`, click }, say("fill.each", { count: masks.length }));
  return h("details.rest.each", { open: areMasksOpen || isPickedApart }, summary, h("div.masks", {}, ...sections));
}

/** As high as the words will be, so that they move nothing. */
function awaitedWhole({ masks, line }) {
  const heights = { "--rows": masks[0].length, "--legends": runsOf(masksOf(line.text)).length };
  return h("section.whole.waiting", heights, h("h2", {}, say("fill.whole")));
}

function whole(answer, picked) {
  const { wholes, line, pickedWhole } = answer;
  const isGiven = answer.masks.length === 0;
  if (!wholes.length) return h("section.whole", {}, h("h2", {}, say("fill.whole")), h("p.about", {}, say("fill.whole.none")), note(answer));
  const rows = wholes.map((filling, index) => {
    const pick = () => {
      answer.pickedWhole = index;
      picked(answer);
    };
    return row(filling, index, `whole-${line.number}-${index}`, pickedWhole === index, pick);
  });
  const words = pickedWhole === null ? [] : wholes[pickedWhole].words;
  const legends = words.map((word, gap) => legend(answer, gap, words.length > 1 ? word : null));
  return h(
    "section.whole",
    {},
    h("h2", {}, say(isGiven ? "fill.given" : "fill.whole")),
    h("ol.candidates.words", {}, ...rows),
    note(answer),
    h("p.about", {}, say(isGiven ? "fill.given.about" : "fill.whole.about")),
    ...legends,
  );
}

function row(filling, index, id, isPicked, pick) {
  const text = filling.words.join(" ");
  const share = meanShare(filling);
  const button = h(
    "button",
    { type: "button", id, "aria-pressed": String(isPicked), title: say("fill.preview", { word: text }), click: pick },
    h("span.token", { lang: "zh-CN" }, text),
    h("span.bar", { "aria-hidden": "true", "--score": share }),
    h("span.rating", {}, say(`rating.${ratingOf(share)}`)),
    h("span.percent", {}, percent(Math.exp(filling.log_likelihood))),
  );
  return h(index === 0 ? "li.best" : "li", {}, button);
}
