/** Poll the gateway's health. */

import { withKey } from "./api.js";

/** The document's event for each answer of /healthz, in its detail. */
export const HEALTH = "health";

/** The document's event for a change of state. */
export const STATE = "health-state";

/** The document's event when the model is available again. */
export const RECOVERED = "recovered";

const POLL_MS = 10_000;
const WAITING_POLL_MS = 2_000;
const STATES = { ok: "ready", degraded: "degraded" };
const LOADING = new Set(["START", "LOADING"]);

/** Errors of a question that say something about the state; a proxy's own answer is none of the gateway's. */
const OUTAGES = new Set(["NoAnswer", "UnreachableError", "ModelNotFoundError", "ServerTimeoutError", "StoppingError"]);

let health = null; // the latest answer; null before the first
let state = null; // null before the first answer
let isDown = false; // whether the latest poll found no available model
let timer;
let poll = 0;

/**
 * Return the state and the latest answer of /healthz.
 * @returns {{state: "ready" | "degraded" | "loading" | "waiting" | "unknown" | null, health: any}} unknown: without an answer
 */
export function currentHealth() {
  return { state, health };
}

/** Start polling. */
export function startHealth() {
  document.addEventListener("visibilitychange", () => document.hidden || look());
  look();
}

/**
 * Take a question's error for a sign of an outage, and poll at once.
 * @param {import("./api.js").Problem} problem
 */
export function suspectOutage({ status, type }) {
  if (!OUTAGES.has(type)) return;
  change(status === 0 ? "unknown" : "waiting");
  look();
}

async function look() {
  const own = ++poll;
  clearTimeout(timer);
  let found = null;
  try {
    const response = await fetch(new URL("../healthz", import.meta.url), { headers: withKey({}) });
    found = await response.json();
  } catch {
    // Without an answer; the state is unknown.
  }
  if (own !== poll) return; // a newer poll is under way
  if (found) {
    health = found;
    document.dispatchEvent(new CustomEvent(HEALTH, { detail: health }));
  }
  const wasDown = isDown;
  isDown = !found || !(found.status in STATES);
  change(stateOf(found));
  if (wasDown && !isDown) document.dispatchEvent(new Event(RECOVERED));
  if (!document.hidden) timer = setTimeout(look, state === "ready" ? POLL_MS : WAITING_POLL_MS);
}

function stateOf(found) {
  if (!found) return "unknown";
  const isLoading = found.model?.versions?.some((version) => LOADING.has(version.state));
  return STATES[found.status] ?? (isLoading ? "loading" : "waiting");
}

function change(next) {
  state = next;
  document.dispatchEvent(new Event(STATE));
}
