/** Keys that work anywhere on the page. */

/**
 * @param {object} keys
 * @param {() => void} keys.ask asks what the open tab asks
 * @param {() => void} keys.insert puts [MASK] into the text
 * @param {() => void} keys.focus goes to the text
 */
export function startShortcuts({ ask, insert, focus }) {
  const dialog = document.getElementById("shortcuts");
  document.getElementById("shortcuts-open").addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => {
    const isWriting = event.target.closest("textarea, input, select") !== null;
    if (event.isComposing || dialog.open) return;
    if ((event.ctrlKey || event.metaKey) && event.key === "Enter") ask();
    else if (event.altKey && event.code === "KeyM") insert(); // with Alt, a Mac's key says µ
    else if (event.key === "?" && !isWriting) dialog.showModal();
    else if (event.key === "/" && !isWriting) focus();
    else return;
    event.preventDefault();
  });
}
