/** Delay hints about what is still being typed. */

/** How long the reader has to pause. */
const PAUSE_MS = 800;

/**
 * @param {{show: (hints: import("./hints.js").Hint[], isBatch?: boolean) => void}} list
 * @param {HTMLTextAreaElement} area
 * @returns {(hints: import("./hints.js").Hint[], isBatch: boolean, isEager: boolean) => void} shows hints: what is typed at the
 *   caret, or not typed yet, only after a pause, unless it is shown already or the reader has asked by the button
 */
export function delayHints(list, area) {
  let timer;
  let shown = new Set(); // "kind line"

  const keyOf = ({ kind, line }) => `${kind} ${line}`;
  const isAtCaret = ({ edits }) => edits.some(({ end }) => end === area.selectionStart);
  const waits = (hint) => (hint.kind === "no-mask" || isAtCaret(hint)) && !shown.has(keyOf(hint));

  const show = (hints, isBatch) => {
    shown = new Set(hints.map(keyOf));
    area.ariaInvalid = String(hints.some(({ isOptional }) => !isOptional));
    list.show(hints, isBatch);
  };

  return (hints, isBatch, isEager) => {
    clearTimeout(timer);
    const ready = isEager ? hints : hints.filter((hint) => !waits(hint));
    show(ready, isBatch);
    if (ready.length < hints.length) timer = setTimeout(() => show(hints, isBatch), PAUSE_MS);
  };
}
