/** The header that all pages share: theme, language and how the model fares. */

import { withKey } from "./api.js";
import { CHANGED, language, say, setLanguage } from "./language.js";
import { keep } from "./storage.js";

const POLL_MS = 10_000;
const WAITING_POLL_MS = 2_000;

/**
 * Bring the header to life.
 * @param {(chosen: "en" | "zh") => void} [onLanguage] told when the reader has chosen a language
 */
export function startHeader(onLanguage = () => {}) {
  startTheme(document.getElementById("theme"));
  const languages = document.getElementById("language");
  languages.value = language();
  languages.addEventListener("change", () => {
    keep("localStorage", "lang", languages.value);
    setLanguage(languages.value);
    onLanguage(languages.value);
  });
  startState(document.getElementById("model-state"));
}

function startTheme(select) {
  const root = document.documentElement;
  select.value = root.dataset.theme;
  select.addEventListener("change", () => {
    root.dataset.theme = select.value;
    keep("localStorage", "theme", select.value);
  });
}

function startState(element) {
  let health = null; // null before the first answer, false without an answer
  let timer;

  const show = () => {
    if (health === null) return;
    const state = health === false ? "unknown" : health.status === "ok" ? "ready" : "waiting";
    const words = say(`state.${state}`, { version: health?.model?.version, reason: health?.reason });
    if (element.textContent !== words) element.textContent = words; // each change is read out
    element.dataset.state = state;
  };
  const look = async () => {
    clearTimeout(timer);
    try {
      const response = await fetch(new URL("../healthz", import.meta.url), { headers: withKey({}) });
      health = await response.json();
    } catch {
      health = false;
    }
    show();
    if (!document.hidden) timer = setTimeout(look, health?.status === "ok" ? POLL_MS : WAITING_POLL_MS);
  };
  document.addEventListener(CHANGED, show);
  document.addEventListener("visibilitychange", () => document.hidden || look());
  look();
}
