// The session: the token, and the user it belongs to.
//
// A token of the service's own is kept in sessionStorage; one of an identity provider in memory alone, as the provider
// gives another after a reload (provider/). Pages of other origins can't read it there, and unlike a cookie no browser sends
// it by itself, so no other page can act with it. Unlike localStorage it belongs to this tab and ends with it, and
// unlike a variable it outlives a reload. Another tab of this page is given it by this one (sharing.js). What could read
// it is a script of this very origin: the policy of this page admits only files of its own and no text as script, and
// the service serves no other script.

import { BASE } from "./base.js";

/** @import { Me } from "../answers.d.ts" */

// Below another path of this origin there may be another service, whose tokens are not for this one.
export const KEY = BASE === "/admin" ? "flow-pipelines.token" : `flow-pipelines.token:${BASE}`;

const storage = available();

/** Return the tab's storage; null where the browser is told to keep nothing, and then a reload signs out. */
function available() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

export const session = {
  /** @type {string | null} */
  token: storage?.getItem(KEY) ?? null,
  /** When the token ends, in milliseconds since 1970, as far as is known. */
  expires: Number.POSITIVE_INFINITY,
  /** @type {Me | null} the caller as /users/me answers; null until known */
  me: null,
  /** @type {() => Promise<void>} asks for another token after the last one was refused; set by app.js */
  renew: () => Promise.reject(new Error("There is no page yet that could ask for a token.")),
};

/** @type {Set<string>} tokens that this user's session went by before */
const former = new Set();

/**
 * Go on by another token of the same session, or by none until there is one.
 *
 * @param {string | null} token
 */
export function replaceToken(token) {
  if (session.token !== null) former.add(session.token);
  session.token = token;
}

/**
 * Return whether a token is that of this session, or was: another tab may not know yet that there is a newer one.
 *
 * @param {string} token
 */
export const goesBy = (token) => session.token !== null && (token === session.token || former.has(token));

/** Return the token if there is one that has not ended, else null. */
export const usable = () => (session.expires > Date.now() ? session.token : null);

/**
 * Return whether a token is an identity provider's, by the rule of the service.
 *
 * @param {string} token
 */
export const isOfProvider = (token) => !token.startsWith("fp_") && token.split(".").length === 3;

/** @type {(token: string) => void} */
let tell = () => {};

/**
 * Have this told of each token that is kept.
 *
 * @param {(token: string) => void} act
 */
export function onKeep(act) {
  tell = act;
}

/** Return the caller; only what is shown to a signed-in user may ask. */
export function caller() {
  if (!session.me) throw new Error("No user is signed in.");
  return session.me;
}

/**
 * Use this token from now on.
 *
 * @param {string} token
 * @param {Me} me
 */
export function keep(token, me) {
  if (session.me?.username !== me.username) former.clear();
  replaceToken(token);
  session.expires = Number.POSITIVE_INFINITY;
  session.me = me;
  if (isOfProvider(token)) storage?.removeItem(KEY);
  else storage?.setItem(KEY, token);
  tell(token);
}

/** Drop the token, here and in the browser's storage. */
export function forget() {
  replaceToken(null);
  storage?.removeItem(KEY);
}
