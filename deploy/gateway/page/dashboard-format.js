/** Times and numbers of the charts, in the page's language and the report's zone. */

import { ownZone } from "./dashboard-zone.js";
import { language } from "./language.js";

export const DAY_S = 86_400;
const SHORTEST_DAY_S = 82_800; // in spring

/**
 * @param {string} zone of the report
 * @returns {{zone: string, clock: (s: number) => string, day: (s: number) => string, number: (value: number) => string,
 *   figure: (value: number) => string, moment: (start: number, end: number) => string, short: (start: number, end: number) => string}}
 *   seconds are Unix time; figure is short, for an axis; moment names a bucket, short its day or its clock time
 */
export function formats(zone) {
  const timeZone = isKnown(zone) ? zone : ownZone();
  const clockFormat = new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const dayFormat = new Intl.DateTimeFormat("en-CA", { timeZone, month: "2-digit", day: "2-digit" });
  const number = new Intl.NumberFormat(language(), { maximumSignificantDigits: 4 });
  const figure = new Intl.NumberFormat(language(), { notation: "compact", maximumSignificantDigits: 3 });
  const clock = (seconds) => clockFormat.format(new Date(seconds * 1000));
  const day = (seconds) => dayFormat.format(new Date(seconds * 1000));
  const isDay = (start, end) => end - start >= SHORTEST_DAY_S;
  return {
    zone: timeZone,
    clock,
    day,
    number: (value) => number.format(value),
    figure: (value) => figure.format(value),
    moment: (start, end) => (isDay(start, end) ? day(start) : `${day(start)} ${clock(start)}`),
    short: (start, end) => (isDay(start, end) ? day(start) : clock(start)),
  };
}

function isKnown(zone) {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: zone }));
  } catch {
    return false; // a gateway without a zone of its own names an offset
  }
}
