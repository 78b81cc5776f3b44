/**
 * Keep the page's state in its URL, which can be shared, and in drafts.
 *
 * @typedef {object} View
 * @property {"fill" | "proofread" | "similarity" | "features" | "classify"} tab
 * @property {string | null} text of the fill tab; null before anything was written
 * @property {number} topK
 * @property {boolean} truncate
 * @property {string} targets words to choose from, as they were written
 * @property {boolean} skipPunctuation
 * @property {string} first sentence to compare
 * @property {string} second
 * @property {string} features texts whose vectors are wanted
 * @property {string} classify texts whose labels are wanted
 * @property {string} proofread texts to proofread
 * @property {"few" | "normal" | "many"} level how many characters are marked
 * @property {string | null} lang in the address, null where the reader's own language shall count
 */

import { keepDraft } from "./drafts.js";

export const TABS = ["fill", "proofread", "similarity", "features", "classify"];
const DEFAULT_TOP_K = 5;
/** Servers and proxies reject longer URLs. */
const LONGEST = 8000;
/** The delay of URL updates; browsers reject hundreds of updates in a row. */
const PAUSE_MS = 250;

/**
 * @param {string} search an address's query
 * @returns {View}
 */
export function readView(search) {
  const query = new URLSearchParams(search);
  const tab = TABS.includes(query.get("tab")) ? query.get("tab") : "fill";
  const topK = Number(query.get("top_k"));
  return {
    tab,
    text: tab === "fill" ? query.get("text") : null,
    topK: Number.isInteger(topK) && topK > 0 ? topK : DEFAULT_TOP_K,
    truncate: query.get("truncate") === "1",
    targets: query.get("targets") ?? "",
    skipPunctuation: query.get("skip_punctuation") === "1",
    first: query.get("first") ?? "",
    second: query.get("second") ?? "",
    features: tab === "features" ? (query.get("text") ?? "") : "",
    classify: tab === "classify" ? (query.get("text") ?? "") : "",
    proofread: tab === "proofread" ? (query.get("text") ?? "") : "",
    level: /^(few|many)$/.test(query.get("level")) ? query.get("level") : "normal",
    lang: /^(zh|en)$/.test(query.get("lang")) ? query.get("lang") : null,
  };
}

/**
 * Return the address of a view.
 * @param {View} view
 * @returns {URL | null} null where its text is too long for one
 */
export function addressOf(view) {
  const query = new URLSearchParams({ tab: view.tab });
  if (view.tab === "fill") {
    query.set("text", view.text ?? "");
    query.set("top_k", String(view.topK));
    if (view.truncate) query.set("truncate", "1");
    if (view.targets) query.set("targets", view.targets);
    if (view.skipPunctuation) query.set("skip_punctuation", "1");
  } else if (view.tab === "similarity") {
    query.set("first", view.first);
    query.set("second", view.second);
  } else {
    query.set("text", view[view.tab]);
    if (view.tab === "proofread" && view.level !== "normal") query.set("level", view.level);
  }
  if (view.lang) query.set("lang", view.lang);
  const address = new URL(`?${query}`, location.href);
  return address.href.length > LONGEST ? null : address;
}

/**
 * Return what to call when the view has changed: draft and address bar then follow.
 * @param {View} view
 */
export function followView(view) {
  let timer;
  const save = () => {
    clearTimeout(timer);
    timer = undefined;
    keepDraft(view, (addressOf(view) ?? shortAddress(view)).href);
  };
  const saveNow = () => timer !== undefined && save();
  addEventListener("pagehide", saveNow);
  document.addEventListener("visibilitychange", saveNow); // a phone may end the page without another event
  return () => {
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE_MS);
  };
}

/** Return the address of a view whose text is too long for one. */
function shortAddress(view) {
  const query = new URLSearchParams({ tab: view.tab, ...(view.lang && { lang: view.lang }) });
  return new URL(`?${query}`, location.href);
}
