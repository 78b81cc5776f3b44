/** The dashboard: the shared header, charts, and new figures every so often while somebody looks. */

import { drawChart } from "./dashboard-chart.js";
import { refreshReport } from "./dashboard-refresh.js";
import { ownZone, useOwnZone } from "./dashboard-zone.js";
import { startHeader } from "./header.js";
import { language } from "./language.js";

const main = document.querySelector("main");
const report = document.getElementById("report");
const article = () => report.querySelector("article");
let charts = [];

startHeader(show);
// A language that was chosen before, on this page or another; else perhaps another zone.
if (language() !== main.dataset.language) show(language());
else if (!useOwnZone(article())) start();

function start() {
  if (document.getElementById("zones")) startForm(document.getElementById("zones"), document.getElementById("since"));
  draw();
  const redraw = () => charts.forEach((chart) => chart.redraw());
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  if (main.dataset.refreshS) refreshReport(Number(main.dataset.refreshS) * 1000, draw);
}

/** Draw all charts of the report, instead of those of an earlier one. */
function draw() {
  charts.forEach((chart) => chart.destroy());
  charts = [...report.querySelectorAll("figure.plot")].map((figure) => drawChart(figure, article().dataset));
  const help = document.getElementById("chart-help");
  if (help) help.hidden = charts.length === 0;
}

/** Go to the same report in another language: its words come from the gateway. */
function show(chosen) {
  const address = new URL(location.href);
  address.searchParams.set("lang", chosen);
  location.replace(address);
}

function startForm(zones, since) {
  const own = ownZone();
  if ([...zones.options].every((option) => option.value !== own)) zones.prepend(new Option(own, own));
  since.value ||= article()?.dataset.since?.slice(0, 16) ?? ""; // of a range that the gateway chose
}
