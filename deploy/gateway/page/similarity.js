/** The similarity tab: how near two sentences are in meaning. */

import { ask } from "./api.js";
import { announce, h, replace } from "./dom.js";
import { makeHints } from "./hints.js";
import { CHANGED, say } from "./language.js";
import { makeLimits } from "./limits.js";
import { makeLive } from "./live.js";
import { makeProblem } from "./problem.js";
import { relationOf } from "./relation.js";
import { showTiming } from "./timing.js";
import { check } from "./validation.js";

/**
 * @param {import("./state.js").View} view kept up to date
 * @param {() => void} changed called when it has changed
 * @returns {{update: () => void, use: (first: string, second: string) => void}}
 */
export function startSimilarity(view, changed) {
  const first = document.getElementById("similarity-first");
  const second = document.getElementById("similarity-second");
  const output = document.getElementById("similarity-answer");
  const timing = document.getElementById("similarity-timing");
  const firstHints = makeHints(document.getElementById("similarity-first-hints"), first);
  const secondHints = makeHints(document.getElementById("similarity-second-hints"), second);
  const problem = makeProblem(document.getElementById("similarity-problem"), () => update());
  const limits = makeLimits();
  let shown = null; // what the gateway said

  const live = makeLive({
    output,
    ask: ({ lines }, signal) => ask("similarity", { inputs: { pairs: [lines.map(({ text }) => text)] } }, signal),
    show({ since }, { answer, serverMs, modelMs }) {
      problem.hide();
      [shown] = answer;
      render();
      showTiming(timing, since, serverMs, modelMs);
    },
    fail({ lines, since }, error) {
      if (limits.learn(error, lines)) {
        update(since);
        return;
      }
      shown = null; // an old answer would be taken for the new question's
      render();
      problem.show(error);
    },
  });

  function update(since = performance.now()) {
    view.first = first.value;
    view.second = second.value;
    changed();
    const lines = [first, second].map(({ value }) => ({ number: 1, start: 0, text: value })); // each one text, as it is
    const faults = lines.map((line) => [...check(line, false), ...limits.hints(line.text, { lines: [line] })]);
    [firstHints, secondHints].forEach((list, index) => list.show(faults[index]));
    if (lines.every(({ text }) => text.trim()) && !faults.flat().length) {
      live.want({ lines, since });
      return;
    }
    live.drop();
    problem.hide();
    shown = null;
    render();
  }

  function render() {
    if (shown) {
      replace(output, ...result(shown));
      const relation = relationOf(shown.score, shown.measure);
      announce(say("similarity.status", { score: shown.score.toFixed(2) }) + (relation ? ` ${say(`relation.${relation}`)}` : ""), output);
    } else {
      replace(output, h("p.empty", {}, say("similarity.empty")));
      timing.textContent = "";
    }
  }

  function use(one, other) {
    first.value = one;
    second.value = other;
    update();
  }

  for (const area of [first, second]) {
    area.addEventListener("input", (event) => event.isComposing || update(event.timeStamp));
    area.addEventListener("compositionend", (event) => update(event.timeStamp));
  }
  document.getElementById("similarity-swap").addEventListener("click", () => use(second.value, first.value));
  document.getElementById("similarity-form").addEventListener("submit", (event) => {
    event.preventDefault();
    limits.forget();
    update(event.timeStamp);
  });
  document.addEventListener(CHANGED, render);

  first.value = view.first;
  second.value = view.second;
  return { update, use };
}

function result({ score, measure, cosine }) {
  const label = say(`similarity.measure.${measure}`);
  const relation = relationOf(score, measure);
  const scale = say("similarity.scale").split("|").map((words) => h("span", {}, words));
  return [
    h(
      "p.score",
      {},
      relation && h("strong.relation", { "data-relation": relation }, say(`relation.${relation}`)),
      h("strong.figure", {}, score.toFixed(2)),
      h("span.measure", {}, label),
    ),
    h(
      "div.meter",
      {
        "role": "meter",
        "aria-label": say("similarity.meter"),
        "aria-valuemin": -1,
        "aria-valuemax": 1,
        "aria-valuenow": score.toFixed(2),
        "--from": Math.min(0, score),
        "--size": Math.abs(score),
      },
    ),
    h("p.scale", { "aria-hidden": "true" }, ...scale),
    h("p.cosine", {}, `${say("similarity.cosine")} `, h("strong", {}, cosine.toFixed(2))),
    h("p.about", {}, say(relation ? "similarity.about" : "similarity.about.raw")),
  ];
}
