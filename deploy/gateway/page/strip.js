/** A vector as a picture: one bar for each value, so that vectors can be told apart at a glance. */

import { h } from "./dom.js";

const HEIGHT = 48;

/**
 * Draw a vector; positive values upwards, negative ones downwards.
 * @param {number[]} vector
 * @returns {SVGElement} decoration, hidden from screen readers
 */
export function drawStrip(vector) {
  const largest = Math.max(...vector.map(Math.abs)) || 1;
  const middle = HEIGHT / 2;
  const path = vector.map((value, index) => `M${index + 0.5} ${middle}v${((-value / largest) * middle).toFixed(1)}`).join("");
  const name = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(name, "svg");
  const line = document.createElementNS(name, "path");
  line.setAttribute("d", path);
  svg.setAttribute("viewBox", `0 0 ${vector.length} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.append(line);
  return h("div.strip", { "aria-hidden": "true" }, svg);
}
