/** The fill tab: a text in, answers out while it is being typed. */

import * as looks from "./answer.js";
import { ask } from "./api.js";
import { makeDetails } from "./details.js";
import { announce, h, replace } from "./dom.js";
import { makeHints } from "./hints.js";
import { CHANGED, percent, say } from "./language.js";
import { makeLimits } from "./limits.js";
import { makeLive } from "./live.js";
import { makeProblem } from "./problem.js";
import { showTiming } from "./timing.js";
import { check, linesOf } from "./validation.js";

/**
 * @typedef {object} Question
 * @property {import("./validation.js").Line[]} lines
 * @property {number} topK
 * @property {boolean} truncate
 * @property {number} since time stamp of the key
 * @property {boolean} isEager whether the reader has asked by the button, and does not pause first
 */

/**
 * @param {import("./state.js").View} view kept up to date
 * @param {() => void} changed called when it has changed
 * @returns {{update: (how?: {since?: number, isEager?: boolean}) => void}} update checks the text again
 */
export function startFill(view, changed) {
  const area = document.getElementById("fill-text");
  const topK = document.getElementById("fill-top-k");
  const truncate = document.getElementById("fill-truncate");
  const output = document.getElementById("fill-answer");
  const timing = document.getElementById("fill-timing");
  const hints = makeHints(document.getElementById("fill-hints"), area);
  const problem = makeProblem(document.getElementById("fill-problem"), () => update({ isEager: true }));
  const limits = makeLimits();
  const live = makeLive({ ask: askLines, show, fail });
  const open = new Set(); // lines of a batch that are unfolded
  const isStudied = ({ line }) => answers.length === 1 || open.has(line.number);
  const details = makeDetails({ begin: tell, isStudied, changed: showDetails, fail: (error) => problem.show(error) });
  let answers = []; // what is shown, for each line
  let picked = null; // the line of the newly picked candidate, until its explanation is announced

  function update({ since = performance.now(), isEager = false } = {}) {
    details.stop();
    readView();
    const lines = checkText();
    if (lines.length) {
      output.ariaBusy = "true";
      live.want({ lines, topK: view.topK, truncate: view.truncate, since, isEager });
    } else {
      live.drop();
      problem.hide();
      showAnswers([]);
    }
  }

  function readView() {
    if (isWhole(topK)) view.topK = topK.valueAsNumber;
    view.text = area.value;
    view.truncate = truncate.checked;
    changed();
  }

  /** Show hints, and return the valid lines. */
  function checkText() {
    topK.max = String(limits.mostCandidates());
    const lines = linesOf(area.value);
    const faults = [...lines.flatMap((line) => check(line)), ...limits.hints(area.value, { shorten })];
    hints.show([...checkTopK(), ...faults], lines.length > 1);
    area.ariaInvalid = String(faults.length > 0);
    if (!isWhole(topK) || faults.some(({ line }) => line === 0)) return [];
    const faulty = new Set(faults.map(({ line }) => line));
    return lines.filter(({ number }) => !faulty.has(number));
  }

  function checkTopK() {
    if (isWhole(topK)) return [];
    const act = () => {
      topK.value = String(Math.min(Number(topK.max), Math.max(1, Math.round(topK.valueAsNumber || view.topK))));
      update();
    };
    return [{ kind: "top-k", line: 0, found: "", edits: [], values: { limit: topK.max }, act }];
  }

  function shorten() {
    truncate.checked = true;
    limits.forget();
    area.focus();
    update({ isEager: true });
  }

  function show(question, { found, serverMs, modelMs }) {
    problem.hide();
    showAnswers(found);
    showTiming(timing, question.since, serverMs, modelMs);
    details.start(found, question);
  }

  function fail({ lines, since, isEager }, error) {
    if (limits.learn(error, lines)) {
      update({ since, isEager }); // with a hint, and about the other lines
      return;
    }
    showAnswers([]);
    problem.show(error);
  }

  function showAnswers(found) {
    answers = found;
    picked = null;
    output.ariaBusy = "false";
    output.dataset.text = JSON.stringify(answers.map(({ line }) => line.text));
    if (!answers.length) timing.textContent = "";
    render();
  }

  function render() {
    if (!answers.length) replace(output, h("p.empty", {}, say("fill.empty")));
    else if (linesOf(area.value).length === 1) replace(output, ...looks.one(answers[0], pick));
    else replace(output, looks.batch(answers, open, { picked: pick, unfolded: details.explain }));
  }

  /** Show the picked candidate and its explanation. */
  function pick(answer) {
    picked = answer;
    details.explain();
    showDetails();
  }

  function showDetails() {
    render();
    const words = picked && looks.leaning(picked);
    if (!words) return;
    picked = null;
    announce(words);
  }

  /** Announce the answer to screen readers. */
  function tell() {
    const { word, score } = looks.best(answers[0]);
    const key = answers.length > 1 ? "fill.status.batch" : "fill.status";
    announce(say(key, { word, percent: percent(score), count: answers.length }));
  }

  area.addEventListener("input", (event) => event.isComposing || update({ since: event.timeStamp }));
  area.addEventListener("compositionend", (event) => update({ since: event.timeStamp }));
  topK.addEventListener("input", (event) => update({ since: event.timeStamp }));
  truncate.addEventListener("change", (event) => {
    limits.forget();
    update({ since: event.timeStamp });
  });
  document.getElementById("fill-form").addEventListener("submit", (event) => {
    event.preventDefault();
    limits.forget();
    update({ since: event.timeStamp, isEager: true });
  });
  document.addEventListener(CHANGED, render);

  area.value = view.text;
  topK.value = String(view.topK);
  truncate.checked = view.truncate;
  return { update };
}

/**
 * Ask about lines.
 * @param {Question} question
 * @param {AbortSignal} signal
 * @returns {Promise<{found: import("./answer.js").LineAnswer[], serverMs: number, modelMs: number}>}
 */
async function askLines({ lines, topK, truncate }, signal) {
  const inputs = lines.map(({ text }) => text);
  const { answer, serverMs, modelMs } = await ask("fill-mask", { inputs, parameters: { top_k: topK, truncate } }, signal);
  const found = lines.map((line, index) => {
    const one = answer[index];
    const masks = Array.isArray(one[0]) ? one : [one];
    return { line, masks, wholes: null, reasons: new Map(), refusals: new Map(), picks: masks.map(() => 0), pickedWhole: null };
  });
  return { found, serverMs, modelMs };
}

function isWhole(field) {
  return field.value !== "" && field.validity.valid;
}
