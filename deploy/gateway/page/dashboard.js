/** The dashboard: the shared header, and new figures every so often while somebody looks. */

import { startHeader } from "./header.js";
import { language } from "./language.js";
import { refreshReport } from "./dashboard-refresh.js";

const main = document.querySelector("main");

startHeader(show);
if (language() !== main.dataset.language) show(language()); // a language that was chosen before, on this page or another
offerOwnZone(document.getElementById("zones"));
if (main.dataset.refreshS) refreshReport(Number(main.dataset.refreshS) * 1000);

/** Go to the same report in another language: its words come from the gateway. */
function show(chosen) {
  const address = new URL(location.href);
  address.searchParams.set("lang", chosen);
  location.replace(address);
}

function offerOwnZone(zones) {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...zones.options].every((option) => option.value !== own)) zones.prepend(new Option(own, own));
}
