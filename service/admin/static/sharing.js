// The session in the tabs of this browser: a new tab is given the token by one that has it, and all of them sign out
// together. The token goes from tab to tab by a BroadcastChannel, which only pages of this very origin hear, and is
// written nowhere for it: with the last tab it is gone.

import { whoIs } from "./api.js";
import { freshToken } from "./provider/grants.js";
import { forget, goesBy, KEY, keep, onKeep, session } from "./session.js";

/** @import { Me } from "../answers.d.ts" */

/**
 * What tabs tell each other: one asks for the session, gives its token, or says that it has signed out.
 *
 * @typedef {{asks: true} | {gives: string} | {ends: string}} Message
 */

const PATIENCE = 250; // milliseconds that a new tab waits for another to answer

const channel = "BroadcastChannel" in window ? new BroadcastChannel(KEY) : null;

/** @type {Set<(token: string) => void>} what waits for a token of another tab */
const waiting = new Set();

/** @type {() => void} what is to be done when another tab has signed out; set by `followOtherTabs` */
let leave = () => {};

/** @param {Message} message */
const tell = (message) => channel?.postMessage(message);

channel?.addEventListener("message", ({ data }) => {
  if (data.asks) give();
  if (typeof data.gives === "string") for (const take of waiting) take(data.gives);
  if (data.ends && goesBy(data.ends)) {
    forget();
    leave();
  }
});

/** Give the token, if there is one: renewed before, if that takes no user. */
async function give() {
  const token = await freshToken();
  if (token) tell({ gives: token });
}

onKeep((token) => tell({ gives: token }));

/**
 * Wait for a token that another tab gives, and for whose it is.
 *
 * @param {AbortSignal} signal ends the wait
 * @param {{ask?: boolean, username?: string}} [options] whether to ask for it, or take only that of who signs in next;
 *   and whose alone it may be
 * @returns {Promise<{token: string, me: Me}>} never, if no other tab gives one that is good
 */
export function givenByAnotherTab(signal, { ask = true, username } = {}) {
  return new Promise((resolve) => {
    const take = async (/** @type {string} */ token) => {
      const me = await whoIs(token).catch(() => null);
      if (me && !signal.aborted && (username ?? me.username) === me.username) resolve({ token, me });
    };
    waiting.add(take);
    signal.addEventListener("abort", () => waiting.delete(take));
    if (ask) tell({ asks: true });
  });
}

/** Take the session of another tab, if one answers at once; return whether one did. */
export async function joinOtherTabs() {
  if (!channel) return false;
  const wait = new AbortController();
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, null));
  const found = await Promise.race([givenByAnotherTab(wait.signal), late]);
  wait.abort();
  if (found) keep(found.token, found.me);
  return found !== null;
}

/**
 * Sign out as soon as another tab does that has the same token.
 *
 * @param {() => void} act
 */
export function followOtherTabs(act) {
  leave = act;
}

/** Have every tab that has this token sign out, as this one is about to. */
export function signOutOtherTabs() {
  if (session.token) tell({ ends: session.token });
}
