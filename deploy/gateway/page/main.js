/** Start the workbench. */

import { startClassify } from "./classify.js";
import { startCode } from "./code.js";
import { announce, copy } from "./dom.js";
import { restoreDraft } from "./drafts.js";
import * as examples from "./examples.js";
import { startFeatures } from "./features.js";
import { startFill } from "./fill.js";
import { startHeader } from "./header.js";
import { HEALTH } from "./health.js";
import { CHANGED, say, translate } from "./language.js";
import { startProofread } from "./proofread.js";
import { startShortcuts } from "./shortcuts.js";
import { startSimilarity } from "./similarity.js";
import { TABS, addressOf, followView, readView } from "./state.js";
import { startSticky } from "./sticky.js";
import { startTabs } from "./tabs.js";

const COPIED_MS = 2000;

const byId = (id) => document.getElementById(id);
const view = readView(location.search);
restoreDraft(view, location.search, TABS);
view.text ??= examples.FILL[0][1];
let changed = () => {}; // the address stays as it was opened until the reader changes something

translate();
document.title = say("title");
document.addEventListener(CHANGED, () => (document.title = say("title")));
document.addEventListener(HEALTH, ({ detail: health }) => (byId("tab-classify").hidden = !health.classifier && view.tab !== "classify"));
startHeader((lang) => {
  view.lang = lang;
  changed();
});

const fill = startFill(view, () => changed());
const similarity = startSimilarity(view, () => changed());
const features = startFeatures(view, () => changed());
const classify = startClassify(view, () => changed());
const proofread = startProofread(view, () => changed());

const fillText = byId("fill-text");
const featuresText = byId("features-text");
const classifyText = byId("classify-text");
const proofreadText = byId("proofread-text");
const texts = { fill: "fill-text", proofread: "proofread-text", similarity: "similarity-first", features: "features-text", classify: "classify-text" };
const asked = new Set(); // tabs that have been open

/** Fill a tab when it is first opened, from the URL or with an example. */
const begin = {
  fill: fill.update,
  similarity: () => (view.first || view.second ? similarity.update() : similarity.use(...examples.SIMILARITY[0].slice(1))),
  features: () => {
    featuresText.value ||= examples.FEATURES;
    features.update();
  },
  classify: () => {
    classifyText.value ||= examples.CLASSIFY[0][1];
    classify.update();
  },
  proofread: () => {
    proofreadText.value ||= examples.PROOFREAD[0][1];
    proofread.update();
  },
};
byId(`tab-${view.tab}`).hidden = false; // a link to it says that it is there

startTabs(document.querySelector('[role="tablist"]'), view.tab, (name) => {
  view.tab = name;
  changed();
  document.querySelector(".skip-link").hash = texts[name];
  if (!asked.has(name)) begin[name]();
  asked.add(name);
});

examples.showExamples(byId("fill-examples"), examples.FILL, [fillText]);
examples.showExamples(byId("similarity-examples"), examples.SIMILARITY, [byId("similarity-first"), byId("similarity-second")]);
examples.showExamples(byId("classify-examples"), examples.CLASSIFY, [classifyText]);
examples.showExamples(byId("proofread-examples"), examples.PROOFREAD, [proofreadText]);

byId("fill-insert").addEventListener("click", fill.insert);
startShortcuts({
  ask: () => byId(`${view.tab}-form`).requestSubmit(),
  insert: () => view.tab === "fill" && fill.insert(),
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

startCode(view);
startSticky();
changed = followView(view);
