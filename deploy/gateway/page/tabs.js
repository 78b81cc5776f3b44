/** Tabs, as https://www.w3.org/WAI/ARIA/apg/patterns/tabs/ describes them, with the selection following the focus. */

/**
 * @param {HTMLElement} list
 * @param {string} chosen name of the first tab to show, the part of its id after "tab-"
 * @param {(name: string) => void} onChange
 */
export function startTabs(list, chosen, onChange) {
  const tabs = [...list.querySelectorAll('[role="tab"]')];
  const nameOf = (tab) => tab.id.replace("tab-", "");

  const select = (tab) => {
    for (const one of tabs) {
      const isChosen = one === tab;
      one.setAttribute("aria-selected", String(isChosen));
      one.tabIndex = isChosen ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = !isChosen;
    }
    onChange(nameOf(tab));
  };

  list.addEventListener("click", (event) => {
    const tab = event.target.closest('[role="tab"]');
    if (tab) select(tab);
  });
  list.addEventListener("keydown", (event) => {
    const shown = tabs.filter((tab) => !tab.hidden);
    const here = shown.indexOf(document.activeElement);
    const there = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: -1 }[event.key];
    if (there === undefined) return;
    event.preventDefault();
    const tab = shown.at(there % shown.length);
    tab.focus();
    select(tab);
  });
  select(tabs.find((tab) => nameOf(tab) === chosen));
}
