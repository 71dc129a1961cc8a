// What a provider has granted to the tabs of this page: each has it in memory, tells the others of a newer one, and one
// of them at a time renews it, as refresh tokens are often good just once.

import { BASE } from "../base.js";
import { isOfProvider, keep, replaceToken, session, usable } from "../session.js";
import { markIssuer } from "./begun.js";
import { endAddress, refresh } from "./protocol.js";

/** @import { SignIn } from "../components/sign_in.js" */
/** @import { Grant } from "./protocol.js" */

/**
 * What tabs tell each other: one asks for what was granted, or gives it.
 *
 * @typedef {{asks: true} | {gives: Grant}} Message
 */

const NAME = `flow-pipelines.grant:${BASE}`;
const PATIENCE = 150; // milliseconds that a tab waits for another to answer

const channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;

/** @type {Grant | null} */
let own = null;

/** @type {Set<() => void>} what waits for a newer grant */
const waiting = new Set();

/** @param {Message} message */
const tell = (message) => channel?.postMessage(message);

channel?.addEventListener("message", ({ data }) => {
  if (data.asks && own) tell({ gives: own });
  if (data.gives && isOurs(data.gives)) {
    use(data.gives);
    for (const go of waiting) go();
  }
});

/**
 * Return whether another tab's grant is that of this tab's session, and newer than what this tab has.
 *
 * @param {Grant} grant
 */
function isOurs(grant) {
  if (own === null) return session.token === grant.access;
  return own.issuer === grant.issuer && own.subject === grant.subject && own.expires < grant.expires;
}

/** @param {Grant} grant */
function use(grant) {
  own = grant;
  session.expires = grant.expires;
  if (session.me) replaceToken(grant.access);
  markIssuer(grant.issuer);
}

/**
 * Use this session from now on, here and in those tabs that are signed in likewise.
 *
 * @param {SignIn} found
 */
export function enter({ token, me, grant = null }) {
  keep(token, me);
  if (grant) {
    use(grant);
    tell({ gives: grant });
    return;
  }
  dropGrant();
  if (isOfProvider(token)) tell({ asks: true }); // of the tab that it came from, if it did
}

/** Forget what was granted, in this tab. */
export function dropGrant() {
  own = null;
  markIssuer(null);
}

/** Ask other tabs for what is newer, and wait for it a moment. */
function askOtherTabs() {
  return new Promise((resolve) => {
    const done = () => {
      waiting.delete(done);
      resolve(undefined);
    };
    waiting.add(done);
    setTimeout(done, channel ? PATIENCE : 0);
    tell({ asks: true });
  });
}

/** Return the token of this tab's session, renewed if that takes it; null if there is none that is good. */
export async function freshToken() {
  if (session.token === null) return null;
  return usable() ?? (await renewGrant())?.access ?? null;
}

/**
 * Return a grant that is good again, without asking the user; null if there is none.
 *
 * @returns {Promise<Grant | null>}
 */
export async function renewGrant() {
  const refused = own;
  if (refused === null) return null;
  return navigator.locks.request(NAME, async () => {
    await askOtherTabs();
    if (own?.access !== refused.access) return own;
    try {
      const found = await refresh(refused);
      if (own?.access !== refused.access) return own; // of who has signed out meanwhile, or in as another
      use(found);
      tell({ gives: found }); // before another tab may renew it, with a refresh token that was used
      return found;
    } catch {
      return null; // the user is asked then, and is told what is wrong if it still is
    }
  });
}

/**
 * Return whether a grant is still what this tab's session goes by.
 *
 * @param {Grant} grant
 */
export const isCurrent = (grant) => own?.access === grant.access;

/** Return where the provider ends its session with this browser; null if none is to be ended, or it can't be told. */
export async function whereToEnd() {
  try {
    return own && (await endAddress(own));
  } catch {
    return null;
  }
}
