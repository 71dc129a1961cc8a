// The session: the token, and the user it belongs to.
//
// The token is kept in sessionStorage. Pages of other origins can't read it there, and unlike a cookie no browser sends
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
  /** @type {Me | null} the caller as /users/me answers; null until known */
  me: null,
  /** @type {() => Promise<void>} asks for another token after the last one was refused; set by app.js */
  renew: () => Promise.reject(new Error("There is no page yet that could ask for a token.")),
};

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
  session.token = token;
  session.me = me;
  storage?.setItem(KEY, token);
  tell(token);
}

/** Drop the token, here and in the browser's storage. */
export function forget() {
  session.token = null;
  storage?.removeItem(KEY);
}
