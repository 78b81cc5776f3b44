/** The fill tab: a text in, answers out while it is being typed. */

import * as looks from "./answer.js";
import { makeBatchTools } from "./batch-tools.js";
import { certainty } from "./certainty.js";
import { makeDetails } from "./details.js";
import { announce, h, replace, type } from "./dom.js";
import { startEditor } from "./editor.js";
import { askLines, targetsOf } from "./fill-request.js";
import { delayHints } from "./hint-timing.js";
import { insertMask, makeHints } from "./hints.js";
import { CHANGED, say } from "./language.js";
import { makeLimits } from "./limits.js";
import { fitSentence } from "./long-text.js";
import { makeLive } from "./live.js";
import { startMaskKeys } from "./mask-keys.js";
import { inParts, makeProgress } from "./parts.js";
import { makeProblem } from "./problem.js";
import { explanationsOf } from "./reasons.js";
import { readPart } from "./sentence.js";
import { acceptFiles } from "./text-files.js";
import { showTiming } from "./timing.js";
import { check, linesOf, together } from "./validation.js";

/**
 * @param {import("./state.js").View} view kept up to date
 * @param {() => void} changed called when it has changed
 * @returns {{update: (how?: {since?: number, isEager?: boolean}) => void, insert: () => void}} update checks the text again; insert
 *   puts a mask in place of the selection, of blanks or at the caret
 */
export function startFill(view, changed) {
  const area = document.getElementById("fill-text");
  const topK = document.getElementById("fill-top-k");
  const truncate = document.getElementById("fill-truncate");
  const targets = document.getElementById("fill-targets");
  const skipPunctuation = document.getElementById("fill-skip-punctuation");
  const output = document.getElementById("fill-answer");
  const timing = document.getElementById("fill-timing");
  const showHints = delayHints(makeHints(document.getElementById("fill-hints"), area), area);
  const editor = startEditor(area);
  const problem = makeProblem(document.getElementById("fill-problem"), () => update({ isEager: true }));
  const limits = makeLimits();
  const progress = makeProgress(output);
  const live = makeLive({ ask: askAll, show, fail, output });
  const open = new Set(); // lines of a batch that are unfolded
  const isStudied = ({ line }) => answers.length === 1 || open.has(line.number);
  const details = makeDetails({ begin: tell, isStudied, changed: showDetails, fail: (error) => problem.show(error) });
  const tools = makeBatchTools(output, { certainty, row: looks.row, value: looks.value, changed: render });
  let answers = []; // what is shown, for each line
  let picked = null; // the line of the newly picked candidate, until its explanation is announced

  function update({ since = performance.now(), isEager = false } = {}) {
    details.stop();
    readView();
    const lines = checkText(isEager);
    if (lines.length) {
      live.want({ lines, ...chosen(), since, isEager });
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
    view.targets = targets.value;
    view.skipPunctuation = skipPunctuation.checked;
    skipPunctuation.disabled = targetsOf(targets.value).length > 0; // the reader's own words are all candidates
    changed();
  }

  function chosen() {
    return { topK: view.topK, truncate: view.truncate, targets: targetsOf(view.targets), skipPunctuation: view.skipPunctuation, partSize: limits.partSize() };
  }

  async function askAll(question, signal) {
    try {
      return await inParts(question.lines, question.partSize, (part) => askLines(part, question, signal), progress.show);
    } finally {
      progress.hide();
    }
  }

  /** Show hints, and return the valid lines. */
  function checkText(isEager) {
    topK.max = String(limits.mostCandidates());
    const lines = linesOf(area.value);
    const faults = [...lines.flatMap((line) => check(line)), ...limits.hints(area.value, { shorten })];
    showHints([...checkTopK(), ...faults], lines.length > 1, isEager);
    if (!isWhole(topK) || faults.some(({ line }) => line === 0)) return [];
    const faulty = new Set(faults.filter(({ isOptional }) => !isOptional).map(({ line }) => line));
    return lines.filter(({ number }) => !faulty.has(number));
  }

  function insert() {
    const blanks = linesOf(area.value).flatMap((line) => check(line)).filter(({ kind }) => kind === "blank");
    if (area.selectionStart !== area.selectionEnd || !blanks.length) {
      insertMask(area);
      return;
    }
    const { start, end, text } = together(area.value, blanks.flatMap(({ edits }) => edits));
    type(area, start, end, text);
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
    if (limits.learn(error, error.lines ?? lines)) {
      update({ since, isEager }); // with a hint, and about the other lines
      return;
    }
    showAnswers([]);
    problem.show(error);
  }

  function showAnswers(found) {
    answers = found;
    picked = null;
    editor.setUnread([]);
    output.dataset.text = JSON.stringify(answers.map(({ line }) => line.text));
    if (!answers.length) timing.textContent = "";
    render();
  }

  function render() {
    const arranged = tools.arrange(answers);
    if (!answers.length) replace(output, h("p.empty", {}, say("fill.empty")));
    else if (linesOf(area.value).length === 1) replace(output, ...looks.one(answers[0], pick));
    else replace(output, looks.batch(arranged, open, { picked: pick, unfolded: details.explain }));
    fitSentence(output, answers.length === 1 ? answers[0].line.text.length : 0);
  }

  /** Show the picked candidate and its explanation. */
  function pick(answer) {
    picked = answer;
    details.explain();
    showDetails();
  }

  function showDetails() {
    render();
    editor.setUnread(answers.flatMap(unreadParts));
    const words = picked && looks.leaning(picked);
    if (!words) return;
    picked = null;
    announce(words, output);
  }

  /** Announce the answer to screen readers. */
  function tell() {
    const { word, rating } = looks.best(answers[0]);
    const key = answers.length > 1 ? "fill.status.batch" : "fill.status";
    announce(say(key, { word, rating, count: answers.length }), output);
  }

  area.addEventListener("input", (event) => event.isComposing || update({ since: event.timeStamp }));
  area.addEventListener("compositionend", (event) => update({ since: event.timeStamp }));
  topK.addEventListener("input", (event) => update({ since: event.timeStamp }));
  for (const [field, kind] of [[truncate, "change"], [skipPunctuation, "change"], [targets, "input"]]) {
    field.addEventListener(kind, (event) => {
      limits.forget();
      if (!event.isComposing) update({ since: event.timeStamp });
    });
  }
  targets.addEventListener("compositionend", (event) => update({ since: event.timeStamp }));
  document.getElementById("fill-form").addEventListener("submit", (event) => {
    event.preventDefault();
    limits.forget();
    update({ since: event.timeStamp, isEager: true });
  });
  document.addEventListener(CHANGED, render);

  area.value = view.text;
  topK.value = String(view.topK);
  truncate.checked = view.truncate;
  targets.value = view.targets;
  skipPunctuation.checked = view.skipPunctuation;
  document.getElementById("fill-more").open = view.targets !== "" || view.skipPunctuation;
  acceptFiles(area, document.getElementById("fill-files"));
  startMaskKeys(area);
  editor.reveal();
  return { update, insert };
}

/** Return what the model has not read of a line, as JavaScript counts characters. */
function unreadParts(answer) {
  const { text, start } = answer.line;
  const read = readPart(text, explanationsOf(answer).filter(Boolean));
  if (!read) return [];
  const at = (place) => start + Array.from(text).slice(0, place).join("").length;
  return [
    { start, end: at(read.start) },
    { start: at(read.end), end: start + text.length },
  ].filter((part) => part.start < part.end);
}

function isWhole(field) {
  return field.value !== "" && field.validity.valid;
}
