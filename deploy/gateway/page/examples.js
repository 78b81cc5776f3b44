/** Sentences to try. */

import { h, type } from "./dom.js";
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

/** For the proofread tab: name and the texts. */
export const PROOFREAD = [
  ["sound", "他说话总是绵里藏真，让人不舒服。"],
  ["shape", "守株侍兔。\n一寸光阴一寸全。"],
  ["verses", "春眠不觉小，处处闻啼鸟。\n床前明月光，疑是地上双。"],
];

/** For the classify tab: name and the texts. */
export const CLASSIFY = [
  ["kinds", "床前明月光，疑是地上霜。\n将锅烧热放油，加入葱姜爆香，再放入肉片翻炒。\n公民的合法的私有财产不受侵犯。\n在命令行中运行安装脚本，然后重新启动服务器。"],
  ["verse", "明月几时有，把酒问青天。"],
];

/**
 * Write buttons for examples, and one that brings replaced texts back.
 * @param {HTMLElement} element
 * @param {[string, ...string[]][]} examples name and texts
 * @param {HTMLTextAreaElement[]} areas get the texts as if they were typed, so that undo takes them back
 */
export function showExamples(element, examples, areas) {
  const replaced = []; // the reader's own texts, oldest first
  const isOwn = (texts) => texts.some(Boolean) && !examples.some(([, ...example]) => example.join("\n") === texts.join("\n"));

  const write = (texts) => {
    const focused = document.activeElement;
    areas.forEach((area, index) => type(area, 0, area.value.length, texts[index]));
    back.hidden = !replaced.length;
    (back.hidden && focused === back ? areas[0] : focused).focus({ preventScroll: true });
  };
  const use = (texts) => {
    const before = areas.map(({ value }) => value);
    if (isOwn(before)) replaced.push(before);
    write(texts);
  };

  const back = h("button.back", { type: "button", hidden: true, click: () => write(replaced.pop()) });
  const buttons = examples.map(([name, ...texts]) => h("button", { type: "button", "data-example": name, click: () => use(texts) }));
  const label = () => {
    buttons.forEach((button) => (button.textContent = say(`example.${button.dataset.example}`)));
    back.textContent = say("example.back");
  };
  label();
  document.addEventListener(CHANGED, label);
  element.replaceChildren(...buttons, back);
}
