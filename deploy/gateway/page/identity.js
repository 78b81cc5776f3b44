/** Name the served model in the header: checkpoint, size, engine, and a badge for the demonstration model. */

import { h } from "./dom.js";
import { STATE, currentHealth } from "./health.js";
import { CHANGED, language, say } from "./language.js";

const ENGINES = { onnx: "ONNX Runtime", tensorflow: "TensorFlow" };

/**
 * Put the identity beside the state, and keep it up to date.
 * @param {HTMLElement} state the element of the model's state
 */
export function startIdentity(state) {
  const badge = h("span.demonstration", { hidden: true });
  const identity = h("p", { id: "model-identity" });
  const box = h("div.model", {});
  state.replaceWith(box);
  box.append(h("div.model-line", {}, state, badge), identity);

  const show = () => {
    const model = currentHealth().health?.model;
    const words = model ? describe(model) : "";
    if (identity.textContent !== words) identity.textContent = words;
    badge.hidden = !model?.description?.is_demonstration;
    badge.textContent = say("state.demonstration");
    badge.title = say("state.demonstration.about");
  };
  document.addEventListener(CHANGED, show);
  document.addEventListener(STATE, show);
}

/** Return what is known of a model; a caller without the API key gets neither name nor description. */
function describe({ name, description }) {
  if (!description) return name ?? "";
  const { checkpoint, parameters, engine, precision } = description;
  const size = new Intl.NumberFormat(language(), { notation: "compact", maximumSignificantDigits: 3 }).format(parameters);
  const engineName = engine && [ENGINES[engine] ?? engine, precision].filter(Boolean).join(" ");
  return [checkpoint, say("state.parameters", { size }), engineName].filter(Boolean).join(" · ");
}
