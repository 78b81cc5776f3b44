/** Show an error of the gateway with an action: retry, or enter a key. */

import { usedKey, useKey } from "./api.js";
import { h, replace } from "./dom.js";
import { RECOVERED, suspectOutage } from "./health.js";
import { CHANGED, hasWords, say } from "./language.js";

/** Statuses after which the same question may well be answered a little later. */
const PASSING = new Set([0, 429, 503]);
const RETRYABLE = new Set([...PASSING, 500, 502, 504]);
const LONGEST_WAIT_S = 15;

/**
 * @param {HTMLElement} element
 * @param {() => void} retry asks again
 * @returns {{show: (problem: import("./api.js").Problem) => void, hide: () => void}}
 */
export function makeProblem(element, retry) {
  let timer;
  let failures = 0; // in a row
  let shown = null; // {problem, waitS}

  const render = () => {
    if (!shown) return;
    const { problem, waitS } = shown;
    const isRefused = problem.status === 401 && usedKey() !== "";
    const key = isRefused ? "problem.401.refused" : `problem.${problem.status}`;
    const about = `${element.id}-words`;
    element.dataset.status = problem.status;
    replace(
      element,
      h("p", { id: about }, h("strong", {}, say(hasWords(key) ? key : "problem.other")), waitS ? ` ${say("problem.retrying", { seconds: waitS })}` : ""),
      details(problem, hasWords(key)),
      RETRYABLE.has(problem.status) ? h("button", { type: "button", click: retry }, say("problem.retry")) : "",
      problem.status === 401 ? keyForm(element, about, isRefused, retry) : "",
    );
    element.hidden = false;
  };
  document.addEventListener(CHANGED, render);
  document.addEventListener(RECOVERED, () => shown && RETRYABLE.has(shown.problem.status) && retry());

  return {
    show(problem) {
      suspectOutage(problem);
      clearTimeout(timer);
      failures += 1;
      const waitS = PASSING.has(problem.status) ? Math.min(LONGEST_WAIT_S, Math.max(problem.retryAfterS, 2 ** (failures - 1))) : 0;
      if (waitS) timer = setTimeout(retry, waitS * 1000);
      shown = { problem, waitS };
      render();
    },
    hide() {
      clearTimeout(timer);
      failures = 0;
      shown = null;
      element.hidden = true;
      element.replaceChildren();
    },
  };
}

/** Return the gateway's own words where the page has none, else the id under which its log has more. */
function details({ message }, isExplained) {
  if (message === "") return "";
  if (!isExplained) return h("p.server-words", { lang: "en" }, message);
  const id = message.match(/see request (\w+) in/)?.[1];
  return id ? h("p.server-words", {}, say("problem.request", { id })) : "";
}

/** Return the form for the key, with the previous input. */
function keyForm(element, about, isRefused, retry) {
  const before = document.getElementById("api-key");
  if (!element.contains(before)) before?.closest("form").remove(); // the field of another tab
  const field = h("input", {
    id: "api-key",
    type: "password",
    autocomplete: "off",
    required: true,
    pattern: "[!-~]+",
    "aria-invalid": isRefused && "true",
    "aria-describedby": `${about} api-key-about`,
  });
  field.value = before?.value ?? usedKey();
  const submit = (event) => {
    event.preventDefault();
    useKey(field.value.trim());
    retry();
  };
  return h(
    "form.key",
    { submit },
    h("label", { for: "api-key" }, say("key.label")),
    field,
    h("button.primary", { id: "api-key-use" }, say("key.use")),
    h("p", { id: "api-key-about" }, say("key.about")),
  );
}
