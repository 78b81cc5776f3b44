/** Refresh the figures without moving the reader's position. */

const LOOK_MS = 1000;

/**
 * Refresh the report while the page is visible and its box is ticked, and say when that was.
 * @param {number} everyMs
 * @param {() => void} onReplaced draws the charts of the new report
 */
export function refreshReport(everyMs, onReplaced) {
  const report = document.getElementById("report");
  const box = document.getElementById("refresh");
  const [updated, notUpdated] = ["updated", "not-updated"].map((id) => document.getElementById(id));
  let last = new Date();
  let tried = last.getTime();
  let isAsking = false;

  const look = async () => {
    if (isAsking || !box.checked || document.hidden || Date.now() - tried < everyMs || isSelected(report)) return;
    isAsking = true;
    tried = Date.now();
    try {
      put(report, await ask(), onReplaced);
      last = new Date();
      write(updated, last);
      notUpdated.textContent = "";
    } catch {
      updated.textContent = "";
      write(notUpdated, last);
    }
    isAsking = false;
  };

  box.closest("p").hidden = false;
  write(updated, last);
  setInterval(look, LOOK_MS);
  document.addEventListener("visibilitychange", look);
}

function write(element, time) {
  const words = element.dataset.words.replace("{time}", time.toLocaleTimeString(document.documentElement.lang));
  if (element.textContent !== words) element.textContent = words; // each change may be read out
}

async function ask() {
  const response = await fetch(location.href);
  if (!response.ok) throw new Error(`status ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html").getElementById("report");
}

/** Return whether text is selected, which a refresh would deselect. */
function isSelected(report) {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(report, true);
}

/** Replace the figures; keep focus, unfolded tables and the section at the top. */
function put(report, fresh, onReplaced) {
  const sections = () => [...report.querySelectorAll("section")];
  const name = (section) => section?.getAttribute("aria-label");
  const named = (wanted) => sections().find((section) => name(section) === wanted);
  const controls = (section) => [...(section?.querySelectorAll("a[href], summary, [tabindex='0']") ?? [])];

  const unfolded = sections().filter((section) => section.querySelector("details[open]")).map(name);
  const focused = sections().find((section) => section.contains(document.activeElement));
  const [focusedName, control] = [name(focused), controls(focused).indexOf(document.activeElement)];
  const top = sections().find((section) => section.getBoundingClientRect().bottom > 0);
  const topName = name(top);
  const before = top?.getBoundingClientRect().top;

  report.replaceChildren(...fresh.childNodes);
  onReplaced();

  for (const section of unfolded) named(section)?.querySelector("details")?.setAttribute("open", "");
  if (control >= 0) controls(named(focusedName))[control]?.focus({ preventScroll: true });
  const after = named(topName)?.getBoundingClientRect().top;
  if (scrollY > 0 && after !== undefined) scrollBy({ top: after - before, behavior: "instant" });
}
