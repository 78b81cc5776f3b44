/** The card with the suggestions for the chosen suspect, below its line. */

import { h } from "./dom.js";
import { say } from "./language.js";
import { idOf, suggestions } from "./suspects.js";

/**
 * @typedef {import("./validation.js").Line} Line
 * @typedef {import("./suspects.js").Suspect} Suspect
 */

/**
 * @param {object} how
 * @param {(line: Line, suspect: Suspect, suggestion: import("./suspects.js").Suggestion) => void} how.replaced
 * @param {(line: Line, suspect: Suspect) => void} how.kept
 * @returns {{
 *   choose: (line: Line, suspect: Suspect, isOpened: boolean) => void,
 *   restore: (found: import("./suspects.js").LineSuspects[]) => void,
 * }} choose shows a suspect's suggestions; restore shows them again in a new answer, if it has that suspect
 */
export function makeCard({ replaced, kept }) {
  const card = h("div.suspect-card", { id: "proofread-card", role: "group", keydown: onKey });
  let chosen = ""; // the id of the suspect

  function choose(line, suspect, isOpened) {
    const id = idOf(line, suspect);
    if (id !== chosen || !card.isConnected) show(line, suspect, id);
    if (isOpened) card.querySelector("button").focus();
  }

  function show(line, suspect, id) {
    document.getElementById(chosen)?.setAttribute("aria-expanded", "false");
    chosen = id;
    const button = document.getElementById(id);
    button.setAttribute("aria-expanded", "true");
    button.setAttribute("aria-controls", card.id);
    const how = { replaced: (suggestion) => replaced(line, suspect, suggestion), kept: () => kept(line, suspect) };
    card.setAttribute("aria-label", say("proofread.card", { word: suspect.token_str }));
    card.replaceChildren(...suggestions(suspect, how));
    button.closest(".proofread-line").append(card);
  }

  function restore(found) {
    for (const { line, suspects } of found) {
      const suspect = suspects?.find((one) => idOf(line, one) === chosen);
      if (suspect) return show(line, suspect, chosen);
    }
    chosen = "";
    return card.remove();
  }

  /** Move between the card's buttons by arrows, and back to the text by Escape. */
  function onKey(event) {
    const buttons = [...card.querySelectorAll("button")];
    const here = buttons.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") document.getElementById(chosen)?.focus();
    else if (step && here >= 0) buttons[(here + step + buttons.length) % buttons.length].focus();
    else return;
    event.preventDefault();
  }

  return { choose, restore };
}
