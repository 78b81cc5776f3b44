/** The proofread tab: doubtful characters marked in the text. */

import { ask } from "./api.js";
import { announce, h, type } from "./dom.js";
import { makeHints } from "./hints.js";
import { CHANGED, say } from "./language.js";
import { makeLimits } from "./limits.js";
import { makeLive } from "./live.js";
import { makeProblem } from "./problem.js";
import { makeCard } from "./suspect-card.js";
import { idOf, marked, placeOf } from "./suspects.js";
import { showTiming } from "./timing.js";
import { check, linesOf } from "./validation.js";

/** Thresholds by level. The last is asked for, so that another level needs no request. */
const LEVELS = { few: 0.00001, normal: 0.0001, many: 0.001 };
/** The model computes a row for each character, so that not every key is worth a request. */
const PAUSE_MS = 300;
/** Sizes of a request, so that the first lines of a long text are marked early. */
const CHARACTERS = 256;
const LINES = 32;
/** Every so many characters share a row of the model; suspects are scored alone. */
const SPACING = 5;
/** How many characters around a kept one must be the same for it to stay kept. */
const CONTEXT = 3;

/**
 * @param {import("./state.js").View} view kept up to date
 * @param {() => void} changed called when it has changed
 * @returns {{update: (since?: number) => void}}
 */
export function startProofread(view, changed) {
  const area = document.getElementById("proofread-text");
  const level = document.getElementById("proofread-level");
  const output = document.getElementById("proofread-answer");
  const timing = document.getElementById("proofread-timing");
  const hints = makeHints(document.getElementById("proofread-hints"), area);
  const problem = makeProblem(document.getElementById("proofread-problem"), () => update());
  const limits = makeLimits();
  const answers = new Map(); // the suspects of each line that was asked, by its text
  const guesses = new Map(); // the same of lines in which a suspect was replaced, before their answer
  const kept = new Set(); // suspects that the reader has kept, with what is around them
  let mostCharacters = CHARACTERS;
  let pause;

  const card = makeCard({ replaced: replaceSuspect, kept: keepSuspect });

  const live = makeLive({
    async ask({ lines }, signal) {
      const times = { serverMs: 0, modelMs: 0 };
      for (const part of parts(lines, mostCharacters, Math.min(LINES, limits.partSize()))) {
        const { answer, serverMs, modelMs } = await askPart(part, signal);
        part.forEach((line, index) => answers.set(line.text, answer[index].suspects));
        times.serverMs += serverMs;
        times.modelMs += modelMs;
        render();
      }
      return times;
    },
    show({ since }, { serverMs, modelMs }) {
      problem.hide();
      settle();
      showTiming(timing, since, serverMs, modelMs);
    },
    fail({ since }, error) {
      const most = error.message.match(/this gateway proofreads (\d+) at a time/);
      const isNews = most && Number(most[1]) < mostCharacters;
      if (isNews) mostCharacters = Number(most[1]);
      if (isNews || limits.learn(error, error.lines ?? [])) {
        update(since); // in smaller parts, or with a hint and without that line
        return;
      }
      settle();
      problem.show(error);
    },
  });

  async function askPart(lines, signal) {
    const inputs = lines.map(({ text }) => text);
    try {
      return await ask("proofread", { inputs, parameters: { threshold: LEVELS.many, spacing: SPACING } }, signal);
    } catch (error) {
      error.lines = lines; // the message numbers them
      throw error;
    }
  }

  function keepText() {
    view.proofread = area.value;
    changed();
  }

  function update(since = performance.now()) {
    clearTimeout(pause);
    keepText();
    const lines = unanswered();
    if (lines.length) {
      output.ariaBusy = "true";
      render();
      live.want({ lines, since });
      return;
    }
    live.drop();
    problem.hide();
    settle();
  }

  /** Show hints, and return the valid lines that have no answer yet. */
  function unanswered() {
    const lines = linesOf(area.value);
    const faults = [...lines.flatMap((line) => check(line, false)), ...limits.hints(area.value)];
    hints.show(faults, lines.length > 1);
    area.ariaInvalid = String(faults.length > 0);
    const faulty = new Set(faults.map(({ line }) => line));
    return faulty.has(0) ? [] : lines.filter(({ number, text }) => !faulty.has(number) && !answers.has(text));
  }

  /** Show and announce the complete answer, and forget lines that are not in the text. */
  function settle() {
    output.ariaBusy = "false";
    guesses.clear();
    render();
    const found = shown();
    output.dataset.text = JSON.stringify(found.filter(({ suspects }) => suspects).map(({ line }) => line.text));
    timing.textContent = "";
    if (!found.length) return;
    const texts = new Set(found.map(({ line }) => line.text));
    for (const text of answers.keys()) if (!texts.has(text)) answers.delete(text);
    if (found.every(({ suspects }) => suspects)) announce(summary(found), output);
  }

  /** Return each line with its suspects by level. */
  function shown() {
    return linesOf(area.value).map((line) => {
      const suspects = suspectsOf(line)?.filter((one) => one.score < LEVELS[level.value] && !kept.has(keptAs(line, one)));
      return { line, suspects: suspects ?? null };
    });
  }

  function suspectsOf({ text }) {
    return answers.get(text) ?? guesses.get(text);
  }

  function render() {
    const found = shown();
    const focused = output.contains(document.activeElement) ? document.activeElement.id : null;
    const isDone = output.ariaBusy === "false" && found.some(({ suspects }) => suspects);
    if (found.length) output.replaceChildren(...found.map((one) => marked(one, card.choose)), isDone ? h("p.about", {}, summary(found)) : "");
    else output.replaceChildren(h("p.empty", {}, say("proofread.empty")));
    card.restore(found);
    if (focused !== null) focus(focused);
  }

  /** Focus a part of the answer, or the text if it is gone. */
  function focus(id) {
    (document.getElementById(id) ?? area).focus({ preventScroll: true });
  }

  /** Replace a suspect in the text, as if typed. */
  function replaceSuspect(line, suspect, { token_str: character }) {
    const text = Array.from(line.text).toSpliced(suspect.start, suspect.end - suspect.start, character).join("");
    const next = following(line, suspect);
    const { start, end } = placeOf(line, suspect);
    guesses.set(text, suspectsOf(line).filter((one) => one !== suspect));
    type(area, start, end, character);
    update();
    focus(next);
  }

  function keepSuspect(line, suspect) {
    const next = following(line, suspect);
    kept.add(keptAs(line, suspect));
    settle();
    focus(next);
  }

  /** Return the id of the suspect after another. */
  function following(line, suspect) {
    const ids = shown().flatMap((one) => (one.suspects ?? []).map((each) => idOf(one.line, each)));
    return ids[ids.indexOf(idOf(line, suspect)) + 1] ?? "";
  }

  area.addEventListener("input", (event) => {
    if (event.isComposing) return;
    clearTimeout(pause);
    keepText();
    live.drop(); // lines that were answered keep their answers
    output.ariaBusy = "true";
    render();
    pause = setTimeout(update, PAUSE_MS, event.timeStamp);
  });
  area.addEventListener("compositionend", (event) => update(event.timeStamp));
  level.addEventListener("change", () => {
    view.level = level.value;
    changed();
    if (output.ariaBusy === "false") settle();
    else render();
  });
  document.getElementById("proofread-form").addEventListener("submit", (event) => {
    event.preventDefault();
    limits.forget();
    update(event.timeStamp);
  });
  document.addEventListener(CHANGED, render);

  area.value = view.proofread;
  level.value = view.level;
  return { update };
}

/** Yield groups of lines of a bounded size. */
function* parts(lines, most, mostLines) {
  let part = [];
  let size = 0;
  for (const line of lines) {
    const length = Array.from(line.text).length;
    if (part.length && (size + length > most || part.length === mostLines)) {
      yield part;
      part = [];
      size = 0;
    }
    part.push(line);
    size += length;
  }
  yield part;
}

function keptAs({ text }, { start, end }) {
  return Array.from(text).slice(Math.max(0, start - CONTEXT), end + CONTEXT).join("");
}

function summary(found) {
  const count = found.reduce((sum, { suspects }) => sum + (suspects?.length ?? 0), 0);
  return say(count === 0 ? "proofread.none" : count === 1 ? "proofread.one" : "proofread.count", { count });
}
