/** Remember the gateway's errors as hints, so that rejected lines are not sent again. */

import { linesOf } from "./validation.js";

/** The most lines of the page; more are for the command line. */
const MOST_LINES = 1000;
/** How many lines a gateway takes at a time unless it says otherwise. */
const PART_SIZE = 128;
/** [CLS] and [SEP], which every text has around it. */
const SPECIAL_TOKENS = 2;

/**
 * @typedef {import("./validation.js").Line} Line
 * @typedef {import("./hints.js").Hint} Hint
 */

/**
 * @returns {{
 *   learn: (error: import("./api.js").Problem, lines: Line[]) => boolean,
 *   forget: () => void,
 *   hints: (text: string, how?: {lines?: Line[], shorten?: () => void}) => Hint[],
 *   mostCandidates: () => number,
 *   partSize: () => number,
 * }} learn returns whether the error was used as a hint or limit; partSize is the most lines of one request; forget allows rejected lines again; shorten lets the gateway
 *   truncate a text, which the page does otherwise
 */
export function makeLimits() {
  const refused = new Map(); // the error of a line, by its text
  let partSize = PART_SIZE;
  let mostCandidates = 100;

  function learn({ status, message }, lines) {
    const most = message.match(/this gateway takes (\d+) at a time/);
    const candidates = message.match(/^top_k is .* takes (\d+) at most/);
    if (most) partSize = Number(most[1]);
    else if (candidates) mostCandidates = Number(candidates[1]);
    else if (status === 400) {
      const number = lines.length === 1 ? 1 : message.match(/^text (\d+) of \d+: /)?.[1];
      if (!number) return false;
      refused.set(lines[number - 1].text, message);
    } else return false;
    return true;
  }

  function hints(text, { lines = linesOf(text), shorten } = {}) {
    if (lines.length > MOST_LINES) {
      const edits = [{ start: lines[MOST_LINES].start - 1, end: text.length, text: "" }];
      return [{ kind: "too-many", line: 0, found: "", edits, values: { count: lines.length, limit: MOST_LINES } }];
    }
    return lines.filter((line) => refused.has(line.text)).map((line) => refusal(line, refused.get(line.text), shorten));
  }

  return { learn, forget: () => refused.clear(), hints, mostCandidates: () => mostCandidates, partSize: () => partSize };
}

function refusal({ number, start, text }, words, shorten) {
  const long = words.match(/(\d+) tokens long .* than the (\d+) that/);
  if (!long) return { kind: "refused", line: number, found: "", edits: [], words };
  const values = { length: long[1], limit: long[2] };
  if (shorten) return { kind: "too-long", line: number, found: "", edits: [], values, act: shorten };
  const kept = [...text].slice(0, values.limit - SPECIAL_TOKENS).join(""); // a character is one token at most
  const edits = [{ start: start + kept.length, end: start + text.length, text: "" }];
  return { kind: "too-long", line: number, found: "", edits, values };
}
