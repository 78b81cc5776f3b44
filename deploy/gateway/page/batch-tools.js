/** Sort, filter, copy and download the results of many lines. */

import { RATINGS, ratingOf } from "./certainty.js";
import { announce, copy, h } from "./dom.js";
import { CHANGED, say } from "./language.js";
import { csv, download, jsonLines, tsv } from "./table-files.js";

const ORDERS = ["line", "surest", "least"];
const COPIED_MS = 2000;

/**
 * Make the tools before an answer.
 * @template Result
 * @param {HTMLElement} output with an id such as "fill-answer"
 * @param {object} how
 * @param {(result: Result) => number} how.certainty from 0 to 1
 * @param {(result: Result) => import("./table-files.js").Row} how.row for a table
 * @param {(result: Result) => unknown} how.value all that there is, for JSON
 * @param {() => void} how.changed called when the reader has chosen another order or part
 * @returns {{arrange: (results: Result[]) => Result[]}} arrange returns what to show of several results, in which order, and shows
 *   the tools; of a single one it hides them
 */
export function makeBatchTools(output, { certainty, row, value, changed }) {
  const name = output.id.replace("-answer", "");
  const order = choice(`${name}-order`, ORDERS, "order", changed);
  const part = choice(`${name}-part`, ["all", ...RATINGS], "part", changed);
  const count = h("span.count", { role: "status" });
  const copyButton = h("button", { type: "button", id: `${name}-copy`, click: () => copyTable() });
  const save = (extension, type, text) => h("button", { type: "button", click: () => download(`answers.${extension}`, type, text()) }, extension.toUpperCase());
  const files = [save("csv", "text/csv", () => csv(shown.map(row))), save("jsonl", "application/jsonl", () => jsonLines(shown.map(value)))];
  const element = h("div.tools", { hidden: true, role: "group" }, order.element, part.element, count, h("span.takes", {}, copyButton, ...files));
  let shown = [];
  let total = 0;
  output.before(element);

  async function copyTable() {
    const key = (await copy(tsv(shown.map(row)))) ? "tools.copied" : "copy.failed";
    announce(say(key));
    copyButton.textContent = say(key);
    setTimeout(label, COPIED_MS);
  }

  function label() {
    element.setAttribute("aria-label", say("tools"));
    copyButton.textContent = say("tools.copy");
    files.forEach((button) => button.setAttribute("aria-label", say("tools.download", { format: button.textContent })));
    count.textContent = shown.length < total ? say("tools.count", { shown: shown.length, total }) : "";
    [copyButton, ...files].forEach((button) => (button.disabled = !shown.length));
    order.label();
    part.label();
  }
  document.addEventListener(CHANGED, label);

  return {
    arrange(results) {
      element.hidden = results.length < 2;
      total = results.length;
      shown = element.hidden ? results : sorted(results.filter(isWanted(part.value(), certainty)), order.value(), certainty);
      label();
      return shown;
    },
  };
}

function isWanted(part, certainty) {
  return (result) => part === "all" || ratingOf(certainty(result)) === part;
}

function sorted(results, order, certainty) {
  if (order === "line") return results;
  const sign = order === "surest" ? -1 : 1;
  return results.toSorted((one, other) => sign * (certainty(one) - certainty(other))); // stable: ties stay in the lines' order
}

function choice(id, values, name, changed) {
  const select = h("select", { id, change: changed }, ...values.map((value) => h("option", { value })));
  const label = h("label", { for: id });
  return {
    element: h("span.pair", {}, label, select),
    value: () => select.value,
    label() {
      label.textContent = say(`tools.${name}`);
      for (const option of select.options) option.textContent = say(name === "part" && option.value !== "all" ? `rating.${option.value}` : `tools.${name}.${option.value}`);
    },
  };
}
