// What outlives that this page goes to a provider and comes back: a sign-in that was begun, and that there was one.
//
// Neither is a token. The first is taken out as soon as the answer is there; its secrets are good for that answer alone.

import { BASE } from "../base.js";

/** @import { Begun } from "./protocol.js" */

/**
 * A sign-in of this tab that was begun.
 *
 * @typedef {Begun & {back: string, silent: boolean}} Journey
 */

const suffix = BASE === "/admin" ? "" : `:${BASE}`;
const JOURNEY = `flow-pipelines.sign-in${suffix}`;
const ISSUER = `flow-pipelines.issuer${suffix}`;

/**
 * Keep what was begun until this page is here again; return whether the browser does.
 *
 * @param {Journey} journey
 */
export function keepJourney(journey) {
  try {
    sessionStorage.setItem(JOURNEY, JSON.stringify(journey));
    return true;
  } catch {
    return false;
  }
}

/**
 * Take out what was begun with this state, once.
 *
 * @param {string | null} state
 * @returns {Journey | null}
 */
export function takeJourney(state) {
  try {
    const journey = JSON.parse(sessionStorage.getItem(JOURNEY) ?? "null");
    if (journey === null || journey.state !== state) return null;
    sessionStorage.removeItem(JOURNEY);
    return journey;
  } catch {
    return null;
  }
}

/**
 * Remember by which issuer this tab is signed in, so that it is asked again after a reload; null: by none.
 *
 * @param {string | null} issuer
 */
export function markIssuer(issuer) {
  try {
    if (issuer === null) sessionStorage.removeItem(ISSUER);
    else sessionStorage.setItem(ISSUER, issuer);
  } catch {
    // A browser that keeps nothing asks for a sign-in after each reload.
  }
}

/** Return that issuer, or null. */
export function markedIssuer() {
  try {
    return sessionStorage.getItem(ISSUER);
  } catch {
    return null;
  }
}
