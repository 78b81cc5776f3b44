/**
 * Keep drafts across reloads, other pages and closed windows.
 *
 * A draft is a view with the texts of all tabs. Each entry of the browser's history has its own, for reloads and the way back. The
 * browser tab has the latest, for links to the workbench, and the browser has one for windows opened later.
 *
 * @typedef {{entry: string, view: import("./state.js").View}} Draft entry names the entry of the history that it was written in
 */

import { keep, recall } from "./storage.js";

const KEY = "draft";

const entry = history.state?.entry ?? newEntry();

/**
 * Fill a view from the latest draft; texts of a link take precedence.
 * @param {import("./state.js").View} view from the address
 * @param {string} search the address's query
 * @param {string[]} tabs the names of the tabs
 */
export function restoreDraft(view, search, tabs) {
  const query = new URLSearchParams(search);
  const latest = parse(recall("sessionStorage", KEY));
  const own = history.state?.view ? history.state : null;
  // The tab's draft is newer than the entry's: it is written when the page is left, where the entry's may be lost.
  const draft = own && latest?.entry !== own.entry ? own : (latest ?? parse(recall("localStorage", KEY)));
  if (!draft) return;
  const isLink = !own && ["text", "first", "second"].some((name) => query.has(name));
  for (const key of Object.keys(view)) {
    const value = draft.view[key];
    const isKept = typeof value === typeof (view[key] ?? "") && (key !== "tab" || tabs.includes(value));
    const isTaken = isLink ? !view[key] && typeof value === "string" : key !== "tab" || own || !query.has("tab");
    if (key !== "lang" && isKept && isTaken) view[key] = value;
  }
}

/**
 * Keep a view as the draft of this entry, this browser tab and this browser.
 * @param {import("./state.js").View} view
 * @param {string} address what the address bar shows
 */
export function keepDraft(view, address) {
  const draft = { entry, view: { ...view } };
  const text = JSON.stringify(draft);
  keep("sessionStorage", KEY, text);
  keep("localStorage", KEY, text);
  try {
    history.replaceState(draft, "", address);
  } catch {
    // Browsers limit the size of a state and the number of changes; the copies in the storage remain.
  }
}

/** @returns {Draft | null} */
function parse(text) {
  try {
    const draft = JSON.parse(text);
    return draft?.view ? draft : null;
  } catch {
    return null;
  }
}

function newEntry() {
  return Math.random().toString(36).slice(2); // crypto.randomUUID is missing without HTTPS
}
