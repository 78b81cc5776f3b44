/** The header that all pages share: theme, language, and which model is served in which state. */

import { STATE, currentHealth, startHealth } from "./health.js";
import { startIdentity } from "./identity.js";
import { CHANGED, language, say, setLanguage } from "./language.js";
import { keep } from "./storage.js";

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
  const show = () => {
    const { state, health } = currentHealth();
    if (state === null) return;
    const words = say(`state.${state}`, { version: health?.model?.version });
    if (element.textContent !== words) element.textContent = words; // each change is read out
    element.dataset.state = state;
  };
  document.addEventListener(CHANGED, show);
  document.addEventListener(STATE, show);
  startIdentity(element);
  startHealth();
}
