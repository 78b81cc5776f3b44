/** What is asked after a pause in typing, since it takes longer: whole words, and what an answer leans on. */

import { ask } from "./api.js";
import { leansOf } from "./sentence.js";

const PAUSE_MS = 250;
const unserved = new Set(); // kinds of question that the served version has no answer to

/** A question that this text or this version has no answer to; nothing is wrong with the other answers. */
const UNANSWERABLE = new Set([400, 501]);

/**
 * @param {object} how
 * @param {() => void} how.begin called when the pause is there
 * @param {(answer: import("./answer.js").LineAnswer) => boolean} how.isStudied whether the reader looks at more than the answer
 * @param {() => void} how.changed called when something has been added to the answers
 * @param {(problem: import("./api.js").Problem) => void} how.fail
 */
export function makeDetails({ begin, isStudied, changed, fail }) {
  let timer;
  let controller;
  let asked = null; // the question, once there are whole words
  const explained = new WeakSet(); // answers about which it was asked what they lean on

  const stop = () => {
    clearTimeout(timer);
    controller?.abort();
    asked = null;
  };

  /** Ask, show what came, and tell whether anything did. */
  const attempt = async (act) => {
    try {
      await act(controller.signal);
      changed();
      return true;
    } catch (error) {
      if (error.name !== "AbortError") fail(error);
      return false;
    }
  };

  /**
   * Add to answers.
   * @param {import("./answer.js").LineAnswer[]} answers
   * @param {{topK: number, truncate: boolean}} question
   */
  const run = async (answers, question) => {
    controller = new AbortController();
    begin();
    if (!(await attempt((signal) => addWholes(answers, question, signal)))) return;
    asked = question;
    for (const one of answers.filter(isStudied)) await explain(one);
  };

  /** Add what an answer leans on; while there is typing, that is for later. */
  const explain = async (one) => {
    if (!asked || explained.has(one)) return;
    explained.add(one);
    await attempt((signal) => addLeans(one, asked, signal));
  };

  return {
    stop,
    explain,
    /** Add to answers after the pause, or at once if the reader has asked by the button. */
    start(answers, question) {
      stop();
      timer = setTimeout(() => run(answers, question), question.isEager ? 0 : PAUSE_MS);
    },
  };
}

async function addWholes(answers, { topK, truncate }, signal) {
  const several = answers.filter(({ masks }) => masks.length > 1);
  if (!several.length) return;
  const inputs = several.map(({ line }) => line.text);
  const answer = await tryAsking("fill-mask", { inputs, parameters: { top_k: topK, joint: true, truncate } }, signal);
  several.forEach((one, index) => {
    const isUntouched = one.picks.every((pick) => pick === 0);
    one.wholes = answer?.[index] ?? [];
    if (isUntouched && one.wholes.length) one.pickedWhole = 0;
  });
}

async function addLeans(one, { truncate }, signal) {
  const answer = await tryAsking("explain", { inputs: one.line.text, parameters: { truncate } }, signal);
  one.isUnexplained = answer === null;
  if (one.isUnexplained) return;
  const explanations = [answer].flat();
  one.leans = explanations.map((explanation) => leansOf([explanation]));
  one.marks = leansOf(explanations);
}

/** Ask, and return null where there is no answer to such a question. */
async function tryAsking(name, body, signal) {
  if (unserved.has(name)) return null;
  try {
    return (await ask(name, body, signal)).answer;
  } catch (error) {
    if (error.status === 501) unserved.add(name);
    if (UNANSWERABLE.has(error.status)) return null;
    throw error;
  }
}
