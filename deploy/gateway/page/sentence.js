/**
 * A sentence with its gaps filled and marks on what matters. The API counts characters as Python does, by code points.
 *
 * @typedef {{token: string, start: number, end: number, weight: number, strength: number, rank: number}} Lean
 *   a token that an answer leans on: its place in code points, its weight, also as a share of the heaviest, and its rank from 1
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
 * Return the tokens that the answers for some masks of a text lean on, heaviest first.
 * @param {{text: string, weights: {weight: number, span: [number, number]}[]}[]} explanations as /v1/explain gives them, one for
 *   each mask; a token counts with its greatest weight
 * @returns {Lean[]}
 */
export function leansOf(explanations) {
  const characters = Array.from(explanations[0].text);
  const weights = explanations.flatMap((explanation) => explanation.weights).filter(({ weight }) => weight > 0);
  weights.sort((one, other) => one.weight - other.weight);
  const greatest = new Map(weights.map((weight) => [weight.span[0], weight])); // the last of a place stays
  const heaviest = weights.filter((weight) => greatest.get(weight.span[0]) === weight).reverse().slice(0, MARKED);
  return heaviest.map(({ weight, span: [start, end] }, index) => ({
    token: characters.slice(start, end).join(""),
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
  const spreadWords = [];
  let run = -1;
  masks.forEach((mask, index) => {
    const isFirst = index === 0 || masks[index - 1].end !== mask.start;
    if (isFirst) run += 1;
    spreadWords.push(isFirst ? (words[run] ?? "") : "");
  });
  return spreadWords;
}

/**
 * Return the sentence's elements.
 * @param {string} text with masks
 * @param {(string | null)[]} fills one for each mask; null leaves the gap open
 * @param {Lean[]} [leans]
 * @returns {(Node | string)[]}
 */
export function sentence(text, fills, leans = []) {
  const characters = Array.from(text);
  const masks = masksOf(text).map((place, index) => ({ ...place, fill: fills[index] ?? null }));
  const places = [...masks, ...leans].sort((one, other) => one.start - other.start);
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
  if ("token" in place) return h("mark.lean", { "data-rank": place.rank, "--strength": place.strength }, place.token);
  if (place.fill === null) return h("span.gap", {}, "　");
  return place.fill ? h("mark.filled", {}, place.fill) : "";
}
