/** Asking the gateway. */

import { keep, recall } from "./storage.js";

const KEY = "api-key";
let key = recall("sessionStorage", KEY);

/** An error of the gateway, or status 0 if it is unreachable. */
export class Problem extends Error {
  /**
   * @param {number} status HTTP status
   * @param {string} type error_type
   * @param {string} message error
   * @param {number} [retryAfterS] when to retry
   */
  constructor(status, type, message, retryAfterS = 0) {
    super(message);
    this.name = "Problem";
    this.status = status;
    this.type = type;
    this.retryAfterS = retryAfterS;
  }
}

/**
 * Ask a question.
 * @param {string} name of the address below /v1/
 * @param {object} body
 * @param {AbortSignal} [signal]
 * @returns {Promise<{answer: any, serverMs: number, modelMs: number}>}
 * @throws {Problem} if there is no answer
 * @throws {DOMException} AbortError, if it was called off
 */
export async function ask(name, body, signal) {
  const headers = withKey({ "Content-Type": "application/json" });
  let response;
  let answer;
  try {
    response = await fetch(new URL(`../v1/${name}`, import.meta.url), { method: "POST", headers, body: JSON.stringify(body), signal });
    answer = await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(response?.status ?? 0, "NoAnswer", "");
  }
  if (!response.ok) {
    const retryAfterS = Number(response.headers.get("Retry-After")) || 0;
    throw new Problem(response.status, answer?.error_type ?? "", answer?.error ?? "", retryAfterS);
  }
  const timing = response.headers.get("Server-Timing") ?? "";
  return { answer, serverMs: stage(timing, "total"), modelMs: stage(timing, "inference") };
}

/**
 * Send this key with every question, until the browser's tab is closed.
 * @param {string} given
 */
export function useKey(given) {
  key = given;
  keep("sessionStorage", KEY, given);
}

/**
 * Return headers with the key, where one was given.
 * @param {Record<string, string>} headers
 */
export function withKey(headers) {
  return key ? { ...headers, "X-API-Key": key } : headers;
}

/** Return the key that questions are sent with, or an empty string. */
export function usedKey() {
  return key ?? "";
}

/** Return the milliseconds of a stage, as https://www.w3.org/TR/server-timing/ writes them. */
function stage(timing, name) {
  return Number(timing.match(new RegExp(`(?:^|,\\s*)${name};dur=([\\d.]+)`))?.[1] ?? NaN);
}
