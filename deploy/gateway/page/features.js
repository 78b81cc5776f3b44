/** The features tab: texts as vectors, and how near they are to each other. */

import { ask } from "./api.js";
import { announce, copy, h, replace } from "./dom.js";
import { heatMap, MOST } from "./heat-map.js";
import { makeHints } from "./hints.js";
import { CHANGED, say } from "./language.js";
import { makeLimits } from "./limits.js";
import { makeLive } from "./live.js";
import { inParts, makeProgress } from "./parts.js";
import { makeProblem } from "./problem.js";
import { download } from "./table-files.js";
import { acceptFiles } from "./text-files.js";
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
  let areFiguresOpen = false;

  const progress = makeProgress(output);

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
      shown = found;
      render();
      announce(say("features.status", { count: shown.length, dimensions: shown[0].mean.length }), output);
      showTiming(timing, since, serverMs, modelMs);
    },
    fail({ lines, since }, error) {
      if (limits.learn(error, error.lines ?? lines)) {
        update(since);
        return;
      }
      shown = []; // an old answer would be taken for the new question's
      render();
      problem.show(error);
    },
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
      replace(output, ...compared(), vectorsOf());
    } else {
      replace(output, h("p.empty", {}, say("features.empty")));
      timing.textContent = "";
    }
  }

  /** The texts' similarities, by the mean vectors if the version has no whitening. */
  function compared() {
    const isMissing = chosen.value === "whitened" && !shown[0].whitened;
    const part = isMissing ? "mean" : chosen.value;
    const some = shown.slice(0, MOST);
    const measure = part === "whitened" ? "whitened cosine" : "cosine";
    return [
      isMissing && h("p.about", {}, say("features.none")),
      shown.length > 1 && heatMap(some.map(({ text }) => text), some.map((vectors) => vectors[part]), measure),
      h("p.about", {}, say(shown.length > 1 ? `features.about.${measure}` : "features.single")),
      shown.length > MOST && h("p.about", {}, say("features.most", { count: MOST })),
    ].filter(Boolean);
  }

  /** The figures of each vector, folded away. */
  function vectorsOf() {
    const click = ({ currentTarget }) => (areFiguresOpen = !currentTarget.parentElement.open);
    const summary = h("summary", { id: "features-figures", click }, say("features.figures"));
    const sections = shown.slice(0, MOST).map((vectors) => described(vectors.text, vectors[chosen.value]));
    return h("details.rest.figures", { open: areFiguresOpen }, summary, h("div.vectors", {}, ...sections));
  }

  const json = () => JSON.stringify(shown, null, 1);
  const copyButton = document.getElementById("features-copy");
  copyButton.addEventListener("click", async () => announce(say((await copy(json())) ? "features.copied" : "copy.failed")));
  document.getElementById("features-download").addEventListener("click", () => download("features.json", "application/json", json()));

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
  acceptFiles(area, document.querySelector("#features-form .controls"));
  return { update };
}

async function askLines(lines, signal) {
  const { answer, serverMs, modelMs } = await ask("features", { inputs: lines.map(({ text }) => text) }, signal);
  return { found: answer.map((vectors, index) => ({ text: lines[index].text, ...vectors })), serverMs, modelMs };
}

function described(text, vector) {
  const title = h("h2", { lang: "zh-CN" }, text);
  if (!vector) return h("section.text-vector", {}, title, h("p.about", {}, say("features.none")));
  const values = vector.slice(0, WRITTEN).map((value) => value.toFixed(3)).join("  ");
  return h(
    "section.text-vector",
    {},
    title,
    h(
      "dl",
      {},
      h("div", {}, h("dt", {}, say("features.dimensions")), h("dd.dimensions", {}, String(vector.length))),
      h("div", {}, h("dt", {}, say("features.norm")), h("dd.norm", {}, Math.hypot(...vector).toFixed(3))),
      h("div", {}, h("dt", {}, say("features.first")), h("dd.values", {}, `${values} …`)),
    ),
  );
}
