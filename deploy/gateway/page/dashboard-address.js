/** Addresses that the charts lead to. */

/**
 * Return the address of the dashboard for another range.
 * @param {number} since Unix time in seconds
 * @param {number} until
 * @param {string} id of the chart, to which the page scrolls
 */
export function dashboardAddress(since, until, id) {
  const address = new URL(location.href);
  address.searchParams.set("since", iso(since));
  address.searchParams.set("until", iso(until));
  address.hash = id;
  return address.href;
}

/**
 * Return the address of log lines.
 * @param {number} since Unix time in seconds
 * @param {number} until
 * @param {Record<string, string>} filter
 */
export function linesAddress(since, until, filter) {
  const address = new URL("dashboard/lines", location.href);
  const report = document.querySelector("article.report").dataset;
  const range = { since: iso(since), until: iso(until), timezone: report.timezone, lang: document.querySelector("main").dataset.language };
  address.search = new URLSearchParams({ ...range, ...filter });
  return address.href;
}

function iso(seconds) {
  return new Date(seconds * 1000).toISOString();
}
