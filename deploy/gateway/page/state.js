/**
 * Keep the page's state in its URL, which can be shared.
 *
 * @typedef {object} View
 * @property {"fill" | "similarity" | "features"} tab
 * @property {string | null} text of the fill tab; null before anything was written
 * @property {number} topK
 * @property {boolean} truncate
 * @property {string} first sentence to compare
 * @property {string} second
 * @property {string} features texts whose vectors are wanted
 * @property {string | null} lang in the address, null where the reader's own language shall count
 */

export const TABS = ["fill", "similarity", "features"];
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
    first: query.get("first") ?? "",
    second: query.get("second") ?? "",
    features: tab === "features" ? (query.get("text") ?? "") : "",
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
  } else if (view.tab === "similarity") {
    query.set("first", view.first);
    query.set("second", view.second);
  } else {
    query.set("text", view.features);
  }
  if (view.lang) query.set("lang", view.lang);
  const address = new URL(`?${query}`, location.href);
  return address.href.length > LONGEST ? null : address;
}

/**
 * Return what to call when the view has changed: the address bar then follows.
 * @param {View} view
 */
export function followView(view) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(() => history.replaceState(null, "", addressOf(view) ?? location.pathname), PAUSE_MS);
  };
}
