/**
 * Draw marks over the text of a text area: a seal over each [MASK], and a veil over what the model does not read.
 *
 * A text area cannot style parts of its text. A layer above it repeats the text invisibly with the same metrics, so that its marks
 * lie over the same characters. The text area itself stays as it is for input methods, undo and screen readers.
 */

import { h } from "./dom.js";
import { maskRanges } from "./mask.js";

/** From how many characters a text is written smaller. */
const LONG = 160;

/**
 * @typedef {{start: number, end: number}} Range as JavaScript counts characters
 *
 * @param {HTMLTextAreaElement} area
 * @returns {{setUnread: (ranges: Range[]) => void, reveal: () => void}} setUnread says what the model does not read, until the text
 *   changes; reveal scrolls to the first mask
 */
export function startEditor(area) {
  const text = h("div.editor-text", { lang: area.lang });
  const layer = h("div.editor-marks", { "aria-hidden": "true" }, text);
  const editor = h("div.editor");
  area.replaceWith(editor);
  editor.append(area, layer);
  let unread = [];

  const draw = () => {
    area.toggleAttribute("data-long", area.value.length > LONG);
    const masks = maskRanges(area.value).map((range) => ({ ...range, name: "seal" }));
    const ranges = [...masks, ...unread.map((range) => ({ ...range, name: "unread" }))].sort((one, other) => one.start - other.start);
    const nodes = [];
    let end = 0;
    for (const range of ranges) {
      nodes.push(area.value.slice(end, range.start), h(`span.${range.name}`, {}, area.value.slice(range.start, range.end)));
      end = range.end;
    }
    text.replaceChildren(...nodes, area.value.slice(end));
    markSelected();
    place();
  };

  /** Follow the text area's scrolling, and leave its scrollbar out. */
  const place = () => {
    text.style.width = `${area.clientWidth}px`;
    text.style.transform = `translateY(${-area.scrollTop}px)`;
  };

  const markSelected = () => {
    const isSelecting = document.activeElement === area && area.selectionStart !== area.selectionEnd;
    const seals = [...text.querySelectorAll(".seal")];
    maskRanges(area.value).forEach(({ start, end }, index) => {
      seals[index]?.classList.toggle("selected", isSelecting && area.selectionStart <= start && end <= area.selectionEnd);
    });
  };

  area.addEventListener("input", () => {
    unread = [];
    draw();
  });
  area.addEventListener("scroll", place, { passive: true });
  document.addEventListener("selectionchange", markSelected);
  area.addEventListener("blur", markSelected);
  new ResizeObserver(place).observe(area);

  return {
    setUnread(ranges) {
      unread = ranges;
      draw();
    },
    reveal() {
      draw();
      const seal = text.querySelector(".seal");
      if (seal) area.scrollTop = seal.offsetTop - (area.clientHeight - seal.offsetHeight) / 2;
    },
  };
}

