/** How long an answer took. */

import { say } from "./language.js";

/** Name of the measures in the browser's performance timeline. */
export const MEASURE = "key-to-answer";

/**
 * Tell how long it took from a key until the answer is about to be painted.
 * @param {HTMLElement} element
 * @param {number} since time stamp of the key
 * @param {number} serverMs
 * @param {number} modelMs
 */
export function showTiming(element, since, serverMs, modelMs) {
  requestAnimationFrame(() => {
    const end = performance.now();
    performance.measure(MEASURE, { start: since, end });
    const [total, server, model] = [end - since, serverMs, modelMs].map((ms) => Math.round(ms));
    element.textContent = say("timing", { total, server, model });
  });
}
