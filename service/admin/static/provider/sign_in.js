// Signing in by a provider. This page goes there and comes back, where nothing on it can be lost; else a window of its
// own does, and hands over the answer: by a BroadcastChannel, as a window that was elsewhere has no other way back.

import { BASE } from "../base.js";
import { keepJourney, markedIssuer, markIssuer, takeJourney } from "./begun.js";
import { begin, finish, RETURN } from "./protocol.js";
import { findProvider, ProviderError } from "./providers.js";

/** @import { Journey } from "./begun.js" */
/** @import { Begun, Grant } from "./protocol.js" */
/** @import { Provider } from "./providers.js" */

/**
 * What this page came back with: a grant, or why there is none; or that the answer was for another window, or that the
 * user has signed out. Nothing of these where the provider, asked silently, would have to ask the user.
 *
 * @typedef {{grant?: Grant, refused?: string, handedOver?: boolean, left?: boolean}} Return
 */

const CHANNEL = `flow-pipelines.answer:${BASE}`;
const PATIENCE = 1000; // milliseconds that a window waits for the page that opened it

/** The answers to a silent question that only say that the user has to be asked. */
const NOT_SILENTLY = ["login_required", "interaction_required", "consent_required", "account_selection_required"];

/**
 * Go to the provider; the page comes back with the answer.
 *
 * @param {Provider} provider
 * @param {{prompt?: "none" | "login"}} [options] see `begin`
 * @returns {Promise<never>}
 */
export async function goTo(provider, { prompt } = {}) {
  const { address, begun } = await begin(provider, { prompt });
  const silent = prompt === "none";
  if (!keepJourney({ ...begun, back: location.href, silent })) {
    throw new ProviderError("This browser keeps nothing for this page, which signing in so takes. Use a token.");
  }
  if (silent) location.replace(address);
  else location.assign(address);
  return new Promise(() => {}); // until this page is gone
}

/** Return the provider that this tab was signed in by before it was loaded anew, if any. */
export const formerProvider = () => findProvider(markedIssuer());

/**
 * Take what a provider has answered, if this page was loaded for that, and put the former address back.
 *
 * @returns {Promise<Return | null>}
 */
export async function comeBack() {
  if (location.pathname !== RETURN) return null;
  const answer = new URLSearchParams(location.search);
  const journey = takeJourney(answer.get("state"));
  // First of all, so that the code stays in no history.
  history.replaceState(history.state, "", journey?.back ?? `${BASE}/`);
  if (journey) return finishJourney(journey, answer);
  if (!answer.has("state")) return { left: true };
  if (await handOver(answer)) return { handedOver: true };
  return { refused: "This sign-in was not begun here, or took too long. Begin it again." };
}

/**
 * @param {Journey} journey
 * @param {URLSearchParams} answer
 * @returns {Promise<Return>}
 */
async function finishJourney(journey, answer) {
  try {
    return { grant: await finish(journey, answer) };
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error;
    markIssuer(null);
    return journey.silent && NOT_SILENTLY.includes(error.code) ? {} : { refused: error.message };
  }
}

/**
 * Hand an answer over to the page that waits for it; return whether there is one.
 *
 * @param {URLSearchParams} answer
 * @returns {Promise<boolean>}
 */
function handOver(answer) {
  const channel = new BroadcastChannel(CHANNEL);
  return new Promise((resolve) => {
    setTimeout(resolve, PATIENCE, false);
    channel.addEventListener("message", ({ data }) => {
      if (data.taken === answer.get("state")) resolve(true);
    });
    channel.postMessage({ answer: answer.toString() });
  });
}

/**
 * Sign in in a window of its own; to be called in a click, as browsers open none otherwise.
 *
 * @param {Provider} provider
 * @param {AbortSignal} signal ends the wait
 * @returns {Promise<Grant>}
 */
export async function signInByWindow(provider, signal) {
  const opened = window.open("", "", "popup,width=520,height=720");
  if (!opened) {
    throw new ProviderError("The browser lets this page open no window: allow it for this page, and try again.");
  }
  try {
    const { address, begun } = await begin(provider);
    const answered = answerTo(begun, signal);
    opened.location.replace(address);
    return await finish(begun, await answered);
  } catch (error) {
    opened.close();
    throw error;
  }
}

/**
 * @param {Begun} begun
 * @param {AbortSignal} signal
 * @returns {Promise<URLSearchParams>}
 */
function answerTo({ state }, signal) {
  const channel = new BroadcastChannel(CHANNEL);
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => {
      channel.close();
      reject(signal.reason);
    });
    channel.addEventListener("message", ({ data }) => {
      const answer = new URLSearchParams(String(data.answer));
      if (answer.get("state") !== state) return;
      channel.postMessage({ taken: state });
      channel.close();
      resolve(answer);
    });
  });
}
