/** Treat each [MASK] of a text area as one character: for the caret, for the selection, and for deletions. */

import { type } from "./dom.js";
import { maskRanges } from "./mask.js";

/**
 * @param {HTMLTextAreaElement} area
 */
export function startMaskKeys(area) {
  let before = { start: area.selectionStart, end: area.selectionEnd }; // where the selection was

  const snap = () => {
    if (document.activeElement !== area) return;
    const { selectionStart: start, selectionEnd: end, selectionDirection: direction } = area;
    const isCaret = start === end;
    const inside = (at) => maskRanges(area.value).find((mask) => mask.start < at && at < mask.end);
    const left = isCaret ? leave(inside(start), start, before) : (inside(start)?.start ?? start);
    const right = isCaret ? left : (inside(end)?.end ?? end);
    before = { start: left, end: right };
    if (left !== start || right !== end) area.setSelectionRange(left, right, direction);
  };

  document.addEventListener("selectionchange", snap);
  area.addEventListener("keydown", snap); // the next key may come before the event of the last one's change
  area.addEventListener("beforeinput", (event) => {
    if (event.isComposing || area.selectionStart !== area.selectionEnd) return;
    const at = area.selectionStart;
    const isDeleted = { deleteContentBackward: ({ end }) => end === at, deleteContentForward: ({ start }) => start === at };
    const mask = maskRanges(area.value).find(isDeleted[event.inputType] ?? (() => false));
    if (!mask) return;
    event.preventDefault();
    type(area, mask.start, mask.end, "");
  });
}

/** Return where a caret goes that came into a mask: on in its direction, or to the nearer edge after a click. */
function leave(mask, at, before) {
  if (!mask) return at;
  if (before.end === mask.start && at === mask.start + 1) return mask.end;
  if (before.start === mask.end && at === mask.end - 1) return mask.start;
  return at - mask.start < mask.end - at ? mask.start : mask.end;
}
