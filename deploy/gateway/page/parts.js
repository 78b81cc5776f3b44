/** Ask about more lines than the gateway takes at a time, in several requests with progress. */

import { h } from "./dom.js";
import { say } from "./language.js";

/**
 * @typedef {import("./validation.js").Line} Line
 * @typedef {{found: any[], serverMs: number, modelMs: number}} Answers found has one answer for each line
 */

/**
 * Ask about lines, one part after the other.
 * @param {Line[]} lines
 * @param {number} size the most lines of one request
 * @param {(part: Line[]) => Promise<Answers>} ask
 * @param {(done: number, total: number) => void} [progressed] called before each part of several
 * @returns {Promise<Answers>} times are the sums over the requests
 * @throws {import("./api.js").Problem} of the first part that fails; its property lines has the part
 */
export async function inParts(lines, size, ask, progressed = () => {}) {
  const all = { found: [], serverMs: 0, modelMs: 0 };
  for (let start = 0; start < lines.length; start += size) {
    const part = lines.slice(start, start + size);
    if (lines.length > size) progressed(start, lines.length);
    try {
      const { found, serverMs, modelMs } = await ask(part);
      all.found.push(...found);
      all.serverMs += serverMs;
      all.modelMs += modelMs;
    } catch (error) {
      error.lines = part; // the gateway counts the lines of its own request
      throw error;
    }
  }
  return all;
}

/**
 * Make a progress bar before an answer.
 * @param {HTMLElement} output
 * @returns {{show: (done: number, total: number) => void, hide: () => void}}
 */
export function makeProgress(output) {
  const bar = h("progress", { max: 1, value: 0 });
  const words = h("span");
  const element = h("p.progress", { hidden: true }, bar, words);
  output.before(element);
  return {
    show(done, total) {
      bar.max = total;
      bar.value = done;
      words.textContent = say("progress", { done, total });
      bar.setAttribute("aria-label", words.textContent);
      element.hidden = false;
    },
    hide() {
      element.hidden = true;
    },
  };
}
