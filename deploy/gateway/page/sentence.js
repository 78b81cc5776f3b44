/**
 * A sentence with its gaps filled and marks on what matters. The API counts characters as Python does, by code points.
 *
 * @typedef {{token: string, start: number, end: number, weight: number, strength: number, rank: number}} Lean
 *   a token that an answer leans on, or the word in another run of masks: its place in code points, its weight, also as a share of
 *   the heaviest, and its rank from 1
 */

import { h } from "./dom.js";
import { MASK } from "./validation.js";

/** How many tokens are marked. */
const MARKED = 3;

/**
 * Return the places of a text's masks, in code points.
 * @param {string} text
 * @returns {{start: number, end: number}[]}
 */
export function masksOf(text) {
  let start = 0;
  return text.split(MASK).slice(0, -1).map((before) => {
    start += Array.from(before).length;
    const place = { start, end: start + MASK.length };
    start = place.end;
    return place;
  });
}

/**
 * Return the runs of masks that stand side by side.
 * @param {{start: number, end: number}[]} masks
 * @returns {{start: number, end: number}[]}
 */
export function runsOf(masks) {
  const runs = [];
  for (const { start, end } of masks) {
    if (runs.at(-1)?.end === start) runs.at(-1).end = end;
    else runs.push({ start, end });
  }
  return runs;
}

/**
 * Return the tokens that the answers for some masks of a text lean on, heaviest first.
 * @param {import("./reasons.js").Explanation[]} explanations one for each mask or run of masks; a token counts with its greatest weight
 * @returns {Lean[]}
 */
export function leansOf(explanations) {
  const characters = Array.from(explanations[0].text);
  const places = runsOf(masksOf(explanations[0].text));
  const weights = explanations.flatMap((explanation) => explanation.weights).filter(({ weight }) => weight > 0);
  weights.sort((one, other) => one.weight - other.weight);
  const greatest = new Map(weights.map((weight) => [weight.span[0], weight])); // the last of a place stays
  const heaviest = weights.filter((weight) => greatest.get(weight.span[0]) === weight).reverse().slice(0, MARKED);
  return heaviest.map(({ token_str: word, weight, span: [start, end] }, index) => ({
    token: places.some((place) => place.start === start) ? word.replace(/^##/, "") : characters.slice(start, end).join(""),
    start,
    end,
    weight,
    strength: weight / heaviest[0].weight,
    rank: index + 1,
  }));
}

/**
 * Spread the words for runs of adjacent masks over the masks.
 * @param {string} text
 * @param {string[]} words one for each run
 * @returns {string[]} one for each mask
 */
export function spread(text, words) {
  const masks = masksOf(text);
  const first = new Map(runsOf(masks).map(({ start }, run) => [start, words[run]]));
  return masks.map(({ start }) => first.get(start) ?? "");
}

/**
 * Return the part of a text that the model has read, from the explanations of its answer, which have a weight for each token.
 * @param {string} text
 * @param {import("./reasons.js").Explanation[]} explanations
 * @returns {{start: number, end: number} | null} null where it has read all, or as long as there is no explanation
 */
export function readPart(text, explanations) {
  const spans = explanations.flatMap(({ weights }) => weights.map(({ span: [start, end] }) => ({ start, end })));
  if (!spans.length) return null;
  const places = [...spans, ...masksOf(text)];
  const start = Math.min(...places.map((place) => place.start));
  const end = Math.max(...places.map((place) => place.end));
  const characters = Array.from(text);
  const rest = [...characters.slice(0, start), ...characters.slice(end)];
  return rest.some((character) => character.trim()) ? { start, end } : null; // spaces are no tokens
}

/**
 * Return the sentence's elements.
 * @param {string} text with masks
 * @param {(string | null)[]} fills one for each mask; null leaves the gap open
 * @param {Lean[]} [leans]
 * @param {{start: number, end: number} | null} [read] what the model has read; null for all
 * @returns {(Node | string)[]}
 */
export function sentence(text, fills, leans = [], read = null) {
  const characters = Array.from(text);
  if (read) {
    const [before, after] = [characters.slice(0, read.start), characters.slice(read.end)].map((part) => part.join(""));
    const shifted = leans.map((lean) => ({ ...lean, start: lean.start - read.start, end: lean.end - read.start }));
    const middle = sentence(characters.slice(read.start, read.end).join(""), fills, shifted);
    return [h("span.unread", {}, before), ...middle, h("span.unread", {}, after)];
  }
  const at = new Map(leans.map((lean) => [lean.start, lean]));
  const masks = masksOf(text).map((place, index) => ({ ...place, fill: fills[index] ?? null, lean: at.get(place.start) }));
  masks.forEach(({ start }) => at.delete(start));
  const places = [...masks, ...at.values()].sort((one, other) => one.start - other.start);
  const nodes = [];
  let end = 0;
  for (const place of places) {
    if (place.start < end) continue; // tokens of one character share its place
    nodes.push(characters.slice(end, place.start).join(""), marked(place));
    end = place.end;
  }
  return [...nodes, characters.slice(end).join("")];
}

function marked(place) {
  if ("token" in place) return h("mark.lean", look(place), place.token);
  if (place.fill === null) return h("span.gap", {}, "　");
  if (!place.fill) return "";
  return place.lean ? h("mark.filled.lean", look(place.lean), place.fill) : h("mark.filled", {}, place.fill);
}

function look({ rank, strength }) {
  return { "data-rank": rank, "--strength": strength };
}
