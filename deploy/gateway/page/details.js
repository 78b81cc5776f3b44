/** Request details after a pause in typing: whole words, and explanations of the shown answer. */

import { ask, Problem } from "./api.js";
import { parametersOf } from "./fill-request.js";
import { inParts } from "./parts.js";
import { isUnexplained, shown } from "./reasons.js";
import { masksOf } from "./sentence.js";

const PAUSE_MS = 250;
const unserved = new Map(); // kinds of question that the served version does not support, with its message

/** A question that this text or this version has no answer to; nothing is wrong with the other answers. */
const UNANSWERABLE = new Set([400, 501]);

/**
 * @typedef {import("./answer.js").LineAnswer} LineAnswer
 *
 * @param {object} how
 * @param {() => void} how.begin called when the pause is there
 * @param {(answer: LineAnswer) => boolean} how.isStudied whether the reader looks at more than the answer
 * @param {() => void} how.changed called when something has been added to the answers
 * @param {(problem: import("./api.js").Problem) => void} how.fail
 */
export function makeDetails({ begin, isStudied, changed, fail }) {
  let timer;
  let controller;
  let asked = null; // {answers, question}, once there are whole words
  let inFlight = null; // {one, key, controller}: the explanation that is under way

  const stop = () => {
    clearTimeout(timer);
    controller?.abort();
    inFlight?.controller.abort();
    asked = null;
  };

  /** Send a request, show the answer, and return whether to continue. */
  const attempt = async (act) => {
    try {
      await act();
      changed();
      return true;
    } catch (error) {
      if (error.name === "AbortError") return true;
      fail(error);
      return false;
    }
  };

  /**
   * Add to answers.
   * @param {LineAnswer[]} answers
   * @param {import("./fill-request.js").Question} question
   */
  const run = async (answers, question) => {
    const own = (controller = new AbortController());
    begin();
    if (!(await attempt(() => addWholes(answers, question, own.signal))) || own.signal.aborted) return;
    asked = { answers, question };
    explain();
  };

  /** Request missing explanations line by line; cancel those not shown any more. */
  const explain = async () => {
    if (inFlight !== null) {
      if (shown(inFlight.one).keys.join() !== inFlight.key) inFlight.controller.abort();
      return; // the loop below goes on with the next
    }
    const next = () => asked?.answers.find((one) => isStudied(one) && isUnexplained(one));
    for (let one = next(); one !== undefined; one = next()) {
      const { question } = asked;
      const own = new AbortController();
      inFlight = { one, key: shown(one).keys.join(), controller: own };
      const goesOn = await attempt(() => addReasons(one, question, own.signal));
      inFlight = null;
      if (!goesOn) return;
    }
  };

  return {
    stop,
    /** Explain the shown answer, but not while typing. */
    explain,
    /** Add to answers after the pause, or at once if the reader has asked by the button. */
    start(answers, question) {
      stop();
      timer = setTimeout(() => run(answers, question), question.isEager ? 0 : PAUSE_MS);
    },
  };
}

async function addWholes(answers, question, signal) {
  const several = answers.filter(({ masks }) => masks.length > 1);
  const parameters = { ...parametersOf(question), joint: true };
  const fillings = async (part) => {
    const inputs = part.map(({ line }) => line.text);
    const { answer } = await tryAsking("fill-mask", { inputs, parameters }, signal);
    return { found: part.map((_, index) => answer?.[index] ?? []), serverMs: 0, modelMs: 0 };
  };
  const { found } = await inParts(several, question.partSize, fillings);
  several.forEach((one, index) => {
    const isUntouched = one.picks.every((pick) => pick === 0);
    one.wholes = found[index];
    if (isUntouched && one.wholes.length) one.pickedWhole = 0;
  });
}

/** A word that is longer or shorter than its gap stands in another text than the reader's. */
function isOfAnotherLength({ line, wholes, pickedWhole }) {
  return pickedWhole !== null && wholes[pickedWhole].tokens.length !== masksOf(line.text).length;
}

async function addReasons(one, { truncate }, signal) {
  const { keys, target, joint } = shown(one);
  if (isOfAnotherLength(one)) {
    one.refusals.set(keys.join(), new Problem(400, "InputError", ""));
    return;
  }
  const { answer, refusal } = await tryAsking("explain", { inputs: one.line.text, parameters: { target, joint, truncate } }, signal);
  if (refusal) one.refusals.set(keys.join(), refusal);
  else [answer].flat().forEach((explanation, index) => one.reasons.set(keys[index], explanation));
}

/** Send a request; an unsupported question is not an error. */
async function tryAsking(name, body, signal) {
  if (unserved.has(name)) return { refusal: unserved.get(name) };
  try {
    return { answer: (await ask(name, body, signal)).answer };
  } catch (error) {
    if (error.status === 501) unserved.set(name, error);
    if (UNANSWERABLE.has(error.status)) return { refusal: error };
    throw error;
  }
}
