/** Start the workbench. */

import { announce, copy } from "./dom.js";
import * as examples from "./examples.js";
import { startFeatures } from "./features.js";
import { startFill } from "./fill.js";
import { startHeader } from "./header.js";
import { insertMask } from "./hints.js";
import { CHANGED, say, translate } from "./language.js";
import { startShortcuts } from "./shortcuts.js";
import { startSimilarity } from "./similarity.js";
import { addressOf, followView, readView } from "./state.js";
import { startTabs } from "./tabs.js";

const COPIED_MS = 2000;

const byId = (id) => document.getElementById(id);
const view = readView(location.search);
view.text ??= examples.FILL[0][1];
let changed = () => {}; // the address stays as it was opened until the reader changes something

translate();
document.title = say("title");
document.addEventListener(CHANGED, () => (document.title = say("title")));
startHeader((lang) => {
  view.lang = lang;
  changed();
});

const fill = startFill(view, () => changed());
const similarity = startSimilarity(view, () => changed());
const features = startFeatures(view, () => changed());

const fillText = byId("fill-text");
const featuresText = byId("features-text");
const asked = new Set(); // tabs that have been open

/** Fill a tab when it is first opened, from the URL or with an example. */
const begin = {
  fill: fill.update,
  similarity: () => (view.first || view.second ? similarity.update() : similarity.use(...examples.SIMILARITY[0].slice(1))),
  features: () => {
    featuresText.value ||= examples.FEATURES;
    features.update();
  },
};

startTabs(document.querySelector('[role="tablist"]'), view.tab, (name) => {
  view.tab = name;
  changed();
  document.querySelector(".skip-link").hash = { fill: "fill-text", similarity: "similarity-first", features: "features-text" }[name];
  if (!asked.has(name)) begin[name]();
  asked.add(name);
});

examples.showExamples(byId("fill-examples"), examples.FILL, (text) => {
  fillText.value = text;
  fill.update({ isEager: true });
});
examples.showExamples(byId("similarity-examples"), examples.SIMILARITY, similarity.use);

byId("fill-insert").addEventListener("click", () => insertMask(fillText));
startShortcuts({
  ask: () => byId(`${view.tab}-form`).requestSubmit(),
  insert: () => view.tab === "fill" && insertMask(fillText),
  focus: () => document.querySelector(".panel:not([hidden]) textarea").focus(),
});

const copyLink = byId("copy-link");
copyLink.addEventListener("click", async () => {
  const address = addressOf(view);
  const key = address === null ? "link.too-long" : (await copy(address.href)) ? "link.copied" : "copy.failed";
  announce(say(key));
  copyLink.textContent = say(key);
  setTimeout(() => (copyLink.textContent = say("link.copy")), COPIED_MS);
});

changed = followView(view);
