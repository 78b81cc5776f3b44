/** Show the open tab's question as a program would send it: by curl or by Python. */

import { usedKey } from "./api.js";
import { announce, copy } from "./dom.js";
import { targetsOf } from "./fill-request.js";
import { CHANGED, say } from "./language.js";
import { linesOf } from "./validation.js";

const COPIED_MS = 2000;
const KEY_VARIABLE = "GATEWAY_API_KEY"; // the key itself stays out of what is copied and passed on

/**
 * @typedef {{path: string, body: object}} ApiRequest
 */

/**
 * Return the request of a view.
 * @param {import("./state.js").View} view
 * @returns {ApiRequest}
 */
export function requestOf(view) {
  if (view.tab === "fill") return { path: "v1/fill-mask", body: { inputs: inputsOf(view.text), parameters: fillParameters(view) } };
  if (view.tab === "similarity") return { path: "v1/similarity", body: { inputs: { pairs: [[view.first, view.second]] } } };
  if (view.tab === "classify") return { path: "v1/classify", body: { inputs: inputsOf(view.classify), parameters: { top_k: null } } };
  return { path: `v1/${view.tab}`, body: { inputs: inputsOf(view[view.tab]) } };
}

/**
 * Return a request as a command of a POSIX shell.
 * @param {ApiRequest} request
 * @param {string} base the gateway's address
 */
export function asCurl({ path, body }, base) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const key = usedKey() ? ` \\\n    -H "X-API-Key: $${KEY_VARIABLE}"` : "";
  return `curl ${quoted(base + path)} -H 'Content-Type: application/json'${key} \\\n    -d ${quoted(JSON.stringify(body))}`;
}

/**
 * Return a request as a program in Python's standard library.
 * @param {ApiRequest} request
 * @param {string} base the gateway's address
 */
export function asPython({ path, body }, base) {
  const key = usedKey() ? `, "X-API-Key": os.environ["${KEY_VARIABLE}"]` : "";
  return `import json${key && "\nimport os"}
from urllib.request import Request, urlopen

body = ${literal(body)}
headers = {"Content-Type": "application/json"${key}}
with urlopen(Request(${JSON.stringify(base + path)}, json.dumps(body).encode(), headers)) as response:
    print(json.load(response))`;
}

/**
 * @param {import("./state.js").View} view
 */
export function startCode(view) {
  const dialog = document.getElementById("code");
  const parts = { curl: asCurl, python: asPython };
  const base = new URL("../", import.meta.url).href;

  document.getElementById("code-open").addEventListener("click", () => {
    for (const [name, write] of Object.entries(parts)) document.getElementById(`code-${name}`).textContent = write(requestOf(view), base);
    dialog.showModal();
  });
  for (const name of Object.keys(parts)) {
    const button = document.getElementById(`code-${name}-copy`);
    const label = () => {
      button.textContent = say("code.copy");
      button.setAttribute("aria-label", say("code.copy.of", { name: name === "curl" ? "curl" : "Python" }));
    };
    button.addEventListener("click", async () => {
      const key = (await copy(document.getElementById(`code-${name}`).textContent)) ? "tools.copied" : "copy.failed";
      announce(say(key));
      button.textContent = say(key);
      button.removeAttribute("aria-label");
      setTimeout(label, COPIED_MS);
    });
    document.addEventListener(CHANGED, label);
    label();
  }
}

/** A single text as itself, several as a list, as the gateway answers them. */
function inputsOf(text) {
  const lines = linesOf(text ?? "").map((line) => line.text);
  return lines.length === 1 ? lines[0] : lines;
}

function fillParameters({ topK, truncate, targets, skipPunctuation }) {
  const words = targetsOf(targets);
  return {
    top_k: topK,
    ...(words.length ? { targets: words } : skipPunctuation && { skip_punctuation: true }),
    ...(truncate && { truncate: true }),
  };
}

/** A value of JSON as Python writes it. */
function literal(value) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([key, one]) => `${JSON.stringify(key)}: ${literal(one)}`).join(", ")}}`;
  return JSON.stringify(value); // strings of JSON are strings of Python
}
