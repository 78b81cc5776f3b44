/** Send requests while typing, one at a time, always for the newest text. */

/** How long a request may keep a newer question waiting, in milliseconds, before it is called off. */
const PATIENCE_MS = 30;

/**
 * @template Question, Answer
 * @param {object} how
 * @param {(question: Question, signal: AbortSignal) => Promise<Answer>} how.ask
 * @param {(question: Question, answer: Answer) => void} how.show gets the answer, unless something newer was wanted
 * @param {(question: Question, error: Error) => void} how.fail gets the error, likewise
 * @param {HTMLElement} [how.output] shows answers, and is busy until the newest question is answered
 * @returns {{want: (question: Question) => void, drop: () => void}} want asks, drop forgets
 */
export function makeLive({ ask, show, fail, output }) {
  let next = null; // the newest question that has not been asked
  let inFlight = null; // {controller, began}
  let impatience;
  const setBusy = (isBusy) => output && (output.ariaBusy = String(isBusy));

  async function send() {
    const question = next;
    const current = { controller: new AbortController(), began: performance.now() };
    next = null;
    inFlight = current;
    let settle;
    try {
      const answer = await ask(question, current.controller.signal);
      settle = () => show(question, answer);
    } catch (error) {
      settle = error.name === "AbortError" ? null : () => fail(question, error);
    }
    clearTimeout(impatience);
    inFlight = null;
    if (next !== null) {
      send();
    } else if (!current.controller.signal.aborted) {
      setBusy(false);
      settle?.();
    }
  }

  return {
    want(question) {
      next = question;
      setBusy(true);
      if (inFlight === null) {
        send();
        return;
      }
      clearTimeout(impatience);
      const age = performance.now() - inFlight.began;
      impatience = setTimeout(() => inFlight?.controller.abort(), Math.max(0, PATIENCE_MS - age));
    },
    drop() {
      next = null;
      setBusy(false);
      clearTimeout(impatience);
      inFlight?.controller.abort();
    },
  };
}
