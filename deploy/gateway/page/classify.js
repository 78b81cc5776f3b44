/** The classify tab: the labels of each line. */

import { ask } from "./api.js";
import { makeBatchTools } from "./batch-tools.js";
import { announce, h, replace } from "./dom.js";
import { makeHints } from "./hints.js";
import { batch, labels } from "./labels.js";
import { CHANGED, percent, say } from "./language.js";
import { makeLimits } from "./limits.js";
import { makeLive } from "./live.js";
import { inParts, makeProgress } from "./parts.js";
import { makeProblem } from "./problem.js";
import { acceptFiles } from "./text-files.js";
import { showTiming } from "./timing.js";
import { check, linesOf } from "./validation.js";

/**
 * @param {import("./state.js").View} view kept up to date
 * @param {() => void} changed called when it has changed
 * @returns {{update: (since?: number) => void}}
 */
export function startClassify(view, changed) {
  const area = document.getElementById("classify-text");
  const output = document.getElementById("classify-answer");
  const timing = document.getElementById("classify-timing");
  const hints = makeHints(document.getElementById("classify-hints"), area);
  const problem = makeProblem(document.getElementById("classify-problem"), () => update());
  const limits = makeLimits();
  const open = new Set(); // numbers of the lines that are unfolded
  let shown = []; // {line, labels} of each line

  const progress = makeProgress(output);
  const tools = makeBatchTools(output, { certainty: ({ labels: [best] }) => best.score, row, value: (one) => ({ ...row(one), labels: one.labels }), changed: render });

  const live = makeLive({
    output,
    async ask({ lines }, signal) {
      try {
        return await inParts(lines, limits.partSize(), (part) => askLines(part, signal), progress.show);
      } finally {
        progress.hide();
      }
    },
    show({ since }, { found, serverMs, modelMs }) {
      problem.hide();
      showAnswers(found);
      tell();
      showTiming(timing, since, serverMs, modelMs);
    },
    fail({ lines, since }, error) {
      if (limits.learn(error, error.lines ?? lines)) {
        update(since); // with a hint, and about the other lines
        return;
      }
      showAnswers([]);
      problem.show(error);
    },
  });

  function update(since = performance.now()) {
    view.classify = area.value;
    changed();
    const lines = validLines();
    if (lines.length) {
      live.want({ lines, since });
      return;
    }
    live.drop();
    problem.hide();
    showAnswers([]);
  }

  /** Show hints, and return the lines without a fault. */
  function validLines() {
    const lines = linesOf(area.value);
    const faults = [...lines.flatMap((line) => check(line, false)), ...limits.hints(area.value)];
    hints.show(faults, lines.length > 1);
    area.ariaInvalid = String(faults.length > 0);
    const faulty = new Set(faults.map(({ line }) => line));
    return faulty.has(0) ? [] : lines.filter(({ number }) => !faulty.has(number));
  }

  function showAnswers(found) {
    shown = found;
    output.dataset.text = JSON.stringify(found.map(({ line }) => line.text));
    if (!found.length) timing.textContent = "";
    render();
  }

  function render() {
    const arranged = tools.arrange(shown);
    if (!shown.length) replace(output, h("p.empty", {}, say("classify.empty")));
    else if (linesOf(area.value).length === 1) replace(output, ...labels(shown[0].labels));
    else replace(output, batch(arranged, open));
  }

  /** Announce the answer to screen readers. */
  function tell() {
    const [best] = shown[0].labels;
    const key = shown.length > 1 ? "classify.status.batch" : "classify.status";
    announce(say(key, { label: best.label, percent: percent(best.score), count: shown.length }), output);
  }

  area.addEventListener("input", (event) => event.isComposing || update(event.timeStamp));
  area.addEventListener("compositionend", (event) => update(event.timeStamp));
  document.getElementById("classify-form").addEventListener("submit", (event) => {
    event.preventDefault();
    limits.forget();
    update(event.timeStamp);
  });
  document.addEventListener(CHANGED, render);

  area.value = view.classify;
  acceptFiles(area, document.querySelector("#classify-form .controls"));
  return { update };
}

async function askLines(lines, signal) {
  const inputs = lines.map(({ text }) => text);
  const { answer, serverMs, modelMs } = await ask("classify", { inputs, parameters: { top_k: null } }, signal);
  return { found: answer.map((labels, index) => ({ line: lines[index], labels })), serverMs, modelMs };
}

function row({ line, labels: [best] }) {
  return { line: line.number, text: line.text, label: best.label, score: Number(best.score.toFixed(4)) };
}
