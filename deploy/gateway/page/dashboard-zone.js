/** The browser's time zone, which the gateway needs for days, tables and charts. */

const YEAR_S = 31_536_000;

/**
 * Have the gateway write times in the browser's zone, unless the address names one.
 *
 * A cookie keeps the zone, so that only the first visit computes its report twice.
 * @param {HTMLElement | null} article the report
 * @returns {boolean} whether the page is loaded again
 */
export function useOwnZone(article) {
  const address = new URL(location.href);
  if (!article || address.searchParams.get("timezone") || isOwn(article.dataset.since, article.dataset.until)) return false;
  const kept = `timezone=${ownZone()}`;
  const cookies = () => document.cookie.split("; ");
  if (cookies().includes(kept)) return false; // the gateway does not know this zone
  document.cookie = `${kept}; Path=${address.pathname}; Max-Age=${YEAR_S}; SameSite=Strict`;
  if (!cookies().includes(kept)) address.searchParams.set("timezone", ownZone()); // cookies are forbidden
  location.replace(address);
  return true;
}

/** Return the browser's zone, such as Asia/Shanghai. */
export function ownZone() {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Return whether the browser's clock has the offsets of these times. */
function isOwn(...times) {
  return times.every((time) => {
    const [, sign, hours, minutes] = time.match(/([+-])(\d\d):(\d\d)$/);
    return Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) === -new Date(time).getTimezoneOffset();
  });
}
