/** Sentences to try. */

import { h } from "./dom.js";
import { CHANGED, say } from "./language.js";

/** For the fill tab: name of the words on the button, and the text. */
export const FILL = [
  ["single", "床前明月光，疑是地[MASK]霜。"],
  ["idiom", "画[MASK]添[MASK]。"],
  ["ambiguous", "这道菜太[MASK]了。"],
  ["words", "千里之行，始于[MASK][MASK]。"],
  ["batch", "春眠不觉晓，处处闻啼[MASK]。\n中国的首都是[MASK]京。\n他每天[MASK]上去公园跑步。\n守[MASK]待[MASK]。\n今天天气真[MASK]啊，适合出去玩。"],
];

/** For the similarity tab: name and the two sentences. */
export const SIMILARITY = [
  ["near", "今天天气真好。", "今天天气不错。"],
  ["far", "今天天气真好。", "他去图书馆了。"],
];

export const FEATURES = "今天天气真好。\n今天天气不错。\n他去图书馆了。";

/**
 * Write buttons for examples.
 * @template {[string, ...string[]]} Example
 * @param {HTMLElement} element
 * @param {Example[]} examples
 * @param {(...texts: string[]) => void} use gets what comes after the name
 */
export function showExamples(element, examples, use) {
  const buttons = examples.map(([name, ...texts]) => h("button", { type: "button", "data-example": name, click: () => use(...texts) }));
  const label = () => buttons.forEach((button) => (button.textContent = say(`example.${button.dataset.example}`)));
  label();
  document.addEventListener(CHANGED, label);
  element.replaceChildren(...buttons);
}
