/** Show long texts: smaller, in a box that scrolls to what was filled in. */

/** From how many characters a sentence is written smaller. */
const LONG = 100;

/**
 * Fit the sentence of a single answer.
 * @param {HTMLElement} output shows the answer
 * @param {number} length of the text, in characters
 */
export function fitSentence(output, length) {
  const isLong = length > LONG;
  output.toggleAttribute("data-long", isLong);
  const sentence = output.querySelector(":scope > .sentence");
  if (!sentence || !isLong) return;
  if (sentence.scrollHeight > sentence.clientHeight) {
    sentence.tabIndex = 0; // arrows scroll it
    sentence.id = "fill-sentence"; // keeps the focus when the answer is written again
  }
  const filled = sentence.querySelector(".filled, .gap");
  if (filled) sentence.scrollTop = filled.offsetTop - (sentence.clientHeight - filled.offsetHeight) / 2;
}
