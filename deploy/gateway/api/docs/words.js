/** The words of the API's page in both languages. Descriptions of fields and errors stay in the document's English. */

import { language } from "../page/language.js";

const PAGE = {
  en: {
    skip: "Skip to the operations",
    title: "Fill-mask gateway: API",
    about: "Every question is a POST of JSON. Open an operation to read its fields and to try it out.",
    document: "The OpenAPI document",
    operations: "Operations",
  },
  zh: {
    skip: "跳到接口列表",
    title: "填词网关：API",
    about: "每个问题都是一次 JSON 的 POST 请求。点开接口可以查看字段，也可以直接试用。字段说明为英文。",
    document: "OpenAPI 文档",
    operations: "接口",
  },
};

const TAGS = { fill: "填词", meaning: "语义", classify: "分类", proofread: "校对" };

/** An operation's sentence, by its path; another operation keeps the document's. */
const SUMMARIES = {
  "/predict": "填写一句话中的 [MASK]，回答最简。",
  "/v1/fill-mask": "填写一句或多句话中的 [MASK]。",
  "/v1/score": "给候选词打分，看哪个最适合空缺。",
  "/v1/similarity": "比较句子的意思有多近。",
  "/v1/features": "返回一条或多条文本的向量。",
  "/v1/explain": "说明答案依据句中的哪些字。",
  "/v1/classify": "给一条或多条文本分类。",
  "/v1/text-classification": "按 Hugging Face 文本分类任务的格式分类。",
  "/v1/sentence-similarity": "把一句话与其他句子比较。",
  "/v1/feature-extraction": "为每条文本返回一个向量。",
  "/v1/proofread": "找出文本中可疑的字，并给出建议。",
};

/** The labels of Swagger UI that a reader meets before an answer. */
const LABELS = {
  "Authorize": "填写密钥",
  "Parameters": "参数",
  "No parameters": "没有参数",
  "Request body": "请求体",
  "required": "必填",
  "Example Value": "示例",
  "Schema": "结构",
  "Schemas": "数据结构",
  "Responses": "回答",
  "Response body": "回答内容",
  "Response headers": "回答头",
  "Server response": "服务器的回答",
  "Code": "状态码",
  "Description": "说明",
  "Details": "详情",
  "Links": "链接",
  "No links": "没有链接",
  "Media type": "格式",
  "Controls Accept header.": "由 Accept 头决定。",
  "Try it out": "试用",
  "Cancel": "取消",
  "Reset": "重置",
  "Execute": "发送",
  "Clear": "清除",
  "Download": "下载",
  "Request URL": "请求地址",
  "Successful Response": "成功",
};

/**
 * Return words of the page in its language.
 * @param {string} key
 */
export function pageWord(key) {
  return PAGE[language()][key];
}

/**
 * Put an OpenAPI document's tags and summaries into a language.
 * @param {any} spec changed
 * @param {"en" | "zh"} chosen
 * @returns {any} the document
 */
export function localized(spec, chosen) {
  delete spec.info.description; // the page has its own introduction
  if (chosen !== "zh") return spec;
  for (const [path, operations] of Object.entries(spec.paths)) {
    for (const operation of Object.values(operations)) {
      operation.summary = SUMMARIES[path] ?? operation.summary;
      operation.tags = operation.tags?.map((tag) => TAGS[tag] ?? tag);
    }
  }
  return spec;
}

/**
 * Translate Swagger UI's labels as they appear; it has no setting for it.
 * @param {HTMLElement} container
 */
export function translateLabels(container) {
  new MutationObserver((changes) => {
    if (language() !== "zh") return;
    for (const { addedNodes } of changes) addedNodes.forEach(translateWithin);
  }).observe(container, { childList: true, subtree: true });
}

function translateWithin(node) {
  const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  for (let text = texts.currentNode; text; text = texts.nextNode()) {
    const word = text.nodeType === Node.TEXT_NODE && LABELS[text.nodeValue.trim()];
    if (word) text.nodeValue = word;
  }
}
