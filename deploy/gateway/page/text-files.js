/** Read a text file that is dropped on a text area, or chosen. */

import { announce, h, type } from "./dom.js";
import { CHANGED, say } from "./language.js";

/** More is for the command line; the page shows every line. */
const MOST_BYTES = 200_000;

/**
 * @param {HTMLTextAreaElement} area
 * @param {HTMLElement} controls gets the button
 */
export function acceptFiles(area, controls) {
  const note = h("p.file-note", { role: "alert", hidden: true });
  const field = h("input", { type: "file", accept: ".txt,text/plain", hidden: true, change: () => take(field.files[0]) });
  const button = h("button", { type: "button", id: `${area.id}-open`, click: () => field.click() });
  let refusal = null; // key and values of the words
  controls.append(button, field);
  controls.after(note);

  const label = () => {
    button.textContent = say("file.open");
    note.hidden = refusal === null;
    note.textContent = refusal === null ? "" : say(...refusal);
  };
  document.addEventListener(CHANGED, label);
  label();

  async function take(file) {
    if (!file) return;
    field.value = ""; // the same file can be chosen again
    const { text, fault } = await read(file);
    refusal = fault ?? null;
    label();
    if (fault) return;
    type(area, 0, area.value.length, text); // as if typed, so that undo brings the former text back
    announce(say("file.read", { name: file.name }));
  }

  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  area.addEventListener("dragover", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    area.classList.add("dropping");
  });
  area.addEventListener("dragleave", () => area.classList.remove("dropping"));
  area.addEventListener("drop", (event) => {
    area.classList.remove("dropping");
    if (!isFile(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}

/**
 * Return a file's text, or the words that say why there is none.
 * @param {File} file
 * @returns {Promise<{text?: string, fault?: [string, Record<string, string | number>]}>}
 */
async function read(file) {
  if (file.size > MOST_BYTES) return { fault: ["file.large", { name: file.name, kilobytes: Math.ceil(file.size / 1000), limit: MOST_BYTES / 1000 }] };
  const text = decode(new Uint8Array(await file.arrayBuffer()));
  if (text === null || text.includes("\0")) return { fault: ["file.binary", { name: file.name }] };
  return { text: text.replace(/\r\n?/g, "\n").trimEnd() };
}

/** Try the encodings of Chinese text files, the strictest first. */
function decode(bytes) {
  const mark = (bytes[0] << 8) | bytes[1];
  const encodings = mark === 0xfffe ? ["utf-16le"] : mark === 0xfeff ? ["utf-16be"] : ["utf-8", "gb18030"];
  for (const encoding of encodings) {
    try {
      return new TextDecoder(encoding, { fatal: true }).decode(bytes);
    } catch {
      continue; // the next one
    }
  }
  return null;
}
