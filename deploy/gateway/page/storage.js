/** What the browser keeps for the page; it may be forbidden to, and the page then works without. */

/**
 * @param {"localStorage" | "sessionStorage"} storage
 * @param {string} key
 * @returns {string | null}
 */
export function recall(storage, key) {
  try {
    return window[storage].getItem(key);
  } catch {
    return null;
  }
}

/**
 * @param {"localStorage" | "sessionStorage"} storage
 * @param {string} key
 * @param {string} value
 */
export function keep(storage, key, value) {
  try {
    window[storage].setItem(key, value);
  } catch {
    // The choice then lasts as long as the page.
  }
}
