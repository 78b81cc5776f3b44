// Runs in the workbench's page for typing_latency.py: times a key until the frame that shows its answer.
// Times are milliseconds on the page's clock (performance.now); a key's time is its event's timeStamp.
"use strict";

globalThis.typing = (() => {
  const LIMIT_MS = 10_000;
  const requests = []; // to /v1/fill-mask: times of sending and of the answer, duration in the model server
  let pressed = 0;
  let text = null;
  let shown = Promise.reject(new Error("no key was pressed"));
  shown.catch(() => {});

  new PerformanceObserver((list) => {
    for (const { name, startTime, responseEnd, serverTiming } of list.getEntries()) {
      if (!name.endsWith("/v1/fill-mask")) continue;
      const inference = serverTiming.find((stage) => stage.name === "inference");
      requests.push({ sent: startTime, received: responseEnd, engine: inference?.duration ?? 0 });
    }
  }).observe({ type: "resource" });

  addEventListener("keydown", (event) => { pressed = event.timeStamp; }, { capture: true });
  addEventListener("input", (event) => {
    text = event.target.value;
    shown = frameWith(text);
    shown.catch(() => {}); // answered() reports it
  }, { capture: true });

  /** Return whether the page shows the answer to this line. */
  function isAbout(line) {
    return document.getElementById("fill-answer")?.dataset.text === JSON.stringify([line]);
  }

  /** Return when the first frame that shows a line's answer was painted. */
  function frameWith(line) {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => end(reject, new Error(`no answer to ${line} within ${LIMIT_MS} ms`)), LIMIT_MS);
      const observer = new MutationObserver(() => {
        if (isAbout(line)) end(painted, resolve);
        else if (text !== line) end(reject, new Error("another key came first"));
      });
      function end(act, value) {
        clearTimeout(late);
        observer.disconnect();
        act(value);
      }
      observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    });
  }

  /** Resolve after the next frame is painted; a message is handled only after that. */
  function painted(resolve) {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve(performance.now());
      port2.postMessage(null);
    });
  }

  return {
    /** Return the time to the last key's answer and the model server's part of it. */
    async answered() {
      const [key, at] = [pressed, await shown];
      await new Promise((resolve) => { setTimeout(resolve); }); // entries of requests come a task later
      const request = requests.findLast(({ sent, received }) => sent >= key && received <= at);
      return { answered: at - key, engine: request?.engine ?? 0 };
    },
  };
})();
