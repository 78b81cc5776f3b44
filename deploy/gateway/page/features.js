/** The features tab: texts as vectors. */

import { ask } from "./api.js";
import { announce, copy, h, replace } from "./dom.js";
import { makeHints } from "./hints.js";
import { CHANGED, say } from "./language.js";
import { makeLimits } from "./limits.js";
import { makeLive } from "./live.js";
import { makeProblem } from "./problem.js";
import { drawStrip } from "./strip.js";
import { showTiming } from "./timing.js";
import { check, linesOf } from "./validation.js";

/** How many values are written out. */
const WRITTEN = 8;

/**
 * @param {import("./state.js").View} view kept up to date
 * @param {() => void} changed called when it has changed
 */
export function startFeatures(view, changed) {
  const area = document.getElementById("features-text");
  const chosen = document.getElementById("features-vector");
  const output = document.getElementById("features-answer");
  const take = document.getElementById("features-take");
  const timing = document.getElementById("features-timing");
  const hints = makeHints(document.getElementById("features-hints"), area);
  const problem = makeProblem(document.getElementById("features-problem"), () => update());
  const limits = makeLimits();
  let shown = []; // {text, cls, mean, whitened} of each line

  const live = makeLive({
    ask: ({ lines }, signal) => ask("features", { inputs: lines.map(({ text }) => text) }, signal),
    show({ lines, since }, { answer, serverMs, modelMs }) {
      problem.hide();
      shown = answer.map((vectors, index) => ({ text: lines[index].text, ...vectors }));
      render();
      announce(say("features.status", { count: shown.length, dimensions: shown[0].mean.length }));
      showTiming(timing, since, serverMs, modelMs);
    },
    fail: ({ lines, since }, error) => (limits.learn(error, lines) ? update(since) : problem.show(error)),
  });

  function update(since = performance.now()) {
    view.features = area.value;
    changed();
    const lines = linesOf(area.value);
    const found = [...lines.flatMap((line) => check(line, false)), ...limits.hints(area.value)];
    hints.show(found, lines.length > 1);
    if (lines.length && !found.length) {
      live.want({ lines, since });
      return;
    }
    live.drop();
    problem.hide();
    shown = [];
    render();
  }

  function render() {
    take.hidden = !shown.length;
    if (shown.length) {
      replace(output, ...shown.map((vectors) => described(vectors.text, vectors[chosen.value])));
    } else {
      replace(output, h("p.empty", {}, say("features.empty")));
      timing.textContent = "";
    }
  }

  const json = () => JSON.stringify(shown, null, 1);
  const copyButton = document.getElementById("features-copy");
  copyButton.addEventListener("click", async () => announce(say((await copy(json())) ? "features.copied" : "copy.failed")));
  document.getElementById("features-download").addEventListener("click", () => {
    const address = URL.createObjectURL(new Blob([json()], { type: "application/json" }));
    h("a", { href: address, download: "features.json" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000); // the download reads it first
  });

  area.addEventListener("input", (event) => event.isComposing || update(event.timeStamp));
  area.addEventListener("compositionend", (event) => update(event.timeStamp));
  chosen.addEventListener("change", render);
  document.getElementById("features-form").addEventListener("submit", (event) => {
    event.preventDefault();
    limits.forget();
    update(event.timeStamp);
  });
  document.addEventListener(CHANGED, render);

  area.value = view.features;
  return { update };
}

function described(text, vector) {
  const title = h("h2", { lang: "zh-CN" }, text);
  if (!vector) return h("section.text-vector", {}, title, h("p.about", {}, say("features.none")));
  const values = vector.slice(0, WRITTEN).map((value) => value.toFixed(3)).join("  ");
  return h(
    "section.text-vector",
    {},
    title,
    drawStrip(vector),
    h(
      "dl",
      {},
      h("div", {}, h("dt", {}, say("features.dimensions")), h("dd.dimensions", {}, String(vector.length))),
      h("div", {}, h("dt", {}, say("features.norm")), h("dd.norm", {}, Math.hypot(...vector).toFixed(3))),
      h("div", {}, h("dt", {}, say("features.first")), h("dd.values", {}, `${values} …`)),
    ),
  );
}
