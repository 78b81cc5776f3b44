/** The page's language: which it is, and how words come into the page. */

import { WORDS } from "./words.js";

/** The document's event on a language change, at which scripts rewrite their texts. */
export const CHANGED = "language-changed";

/** @returns {"en" | "zh"} */
export function language() {
  return document.documentElement.lang.startsWith("zh") ? "zh" : "en";
}

/**
 * Return words in the page's language.
 * @param {string} key
 * @param {Record<string, string | number>} [values] what {names} stand for
 */
export function say(key, values = {}) {
  return WORDS[language()][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/**
 * Return words in the page's language as nodes.
 * @param {string} key
 * @param {Record<string, string | Node>} values what {names} stand for, such as a word of the other language
 * @returns {(string | Node)[]}
 */
export function phrase(key, values) {
  return WORDS[language()][key].split(/\{(\w+)\}/).map((part, index) => (index % 2 ? values[part] : part));
}

/**
 * Return whether there are words of this key.
 * @param {string} key
 */
export function hasWords(key) {
  return key in WORDS.en;
}

/**
 * Change the language of the whole page.
 * @param {"en" | "zh"} chosen
 */
export function setLanguage(chosen) {
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en";
  translate();
  document.dispatchEvent(new Event(CHANGED));
}

/** Write the words of the HTML: data-word is an element's text, data-word-aria-label that attribute. */
export function translate() {
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = say(element.dataset.word);
  for (const element of document.querySelectorAll("[data-word-aria-label]")) {
    element.setAttribute("aria-label", say(element.dataset.wordAriaLabel));
  }
}

/**
 * Return a share as a percentage.
 * @param {number} share from 0 to 1
 */
export function percent(share) {
  return share > 0 && share < 0.001 ? "<0.1%" : `${(share * 100).toFixed(1)}%`;
}

/**
 * Return a share as a rough percentage, for sentences.
 * @param {number} part from 0 to 1
 */
export function share(part) {
  if (part >= 0.995 && part < 1) return ">99%";
  return part >= 0.095 ? `${Math.round(part * 100)}%` : percent(part);
}
