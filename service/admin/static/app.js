// The start: the user is signed in, then the frame around the views is shown, and the views.

import { ApiError, messageOf, SignedOut, whoIs } from "./api.js";
import { navigation } from "./components/navigation.js";
import { askAgain, closingPage, signInPage } from "./components/sign_in.js";
import { failure } from "./components/states.js";
import { h, replace } from "./dom.js";
import { dropGrant, enter, isCurrent, renewGrant, whereToEnd } from "./provider/grants.js";
import { comeBack, formerProvider, goTo } from "./provider/sign_in.js";
import { address, mayLeave, refresh, startRouter, unsaved } from "./router.js";
import { routes } from "./routes.js";
import { caller, forget, session } from "./session.js";
import { followOtherTabs, givenByAnotherTab, joinOtherTabs, signOutOtherTabs } from "./sharing.js";

const app = document.getElementById("app") ?? document.body;
const main = h("main", { id: "main", tabindex: "-1" });

/** Behind the address of a page that has just signed out, which takes no session of another tab unasked. */
const SIGNED_OUT = "#signed-out";

/** @import { Return } from "./provider/sign_in.js" */

async function begin() {
  const came = await comeBack();
  if (came?.handedOver) return closingPage(app);
  let refused = await enterBy(came);
  const left = hasLeft() || came?.left === true;
  try {
    if (session.token && !session.me) refused = await enterByToken(session.token);
  } catch (error) {
    return replace(app, h("main", { class: "starting" }, h("h1", {}, "Flow Pipelines"), failure(error, begin)));
  }
  if (!session.me && !left) refused = (await comeInUnasked(came === null)) || refused;
  if (!session.me) await signIn(refused, !left);
  session.renew = renew;
  followOtherTabs(signedOutElsewhere);
  frame();
  await startRouter(routes, main, (route) => {
    section = route.section;
    bar.show(section);
  });
}

/** Return whether this page has just signed out, as its address says, once. */
function hasLeft() {
  const left = location.hash === SIGNED_OUT;
  if (left) history.replaceState(null, "", location.pathname + location.search);
  return left;
}

/**
 * Enter by the token that this tab has kept; return why it was refused, if it was.
 *
 * @param {string} token
 */
async function enterByToken(token) {
  try {
    session.me = await whoIs(token);
    return "";
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 401)) throw error;
    forget();
    return error.message;
  }
}

/**
 * Enter by what a provider has granted; return why that failed, if it did.
 *
 * @param {Return | null} came
 */
async function enterBy(came) {
  if (!came?.grant) return came?.refused ?? "";
  try {
    enter({ token: came.grant.access, me: await whoIs(came.grant.access), grant: came.grant });
    return "";
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * Take the session of another tab; or have the provider that this tab was signed in by say that its user is, which
 * leads away from this page, and back. Return why that failed.
 *
 * @param {boolean} mayLeavePage
 */
async function comeInUnasked(mayLeavePage) {
  if (await joinOtherTabs()) {
    if (session.token && session.me) enter({ token: session.token, me: session.me });
    return "";
  }
  const provider = mayLeavePage && formerProvider();
  if (!provider) return "";
  try {
    return await goTo(provider, { prompt: "none" });
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * Wait until the user has signed in, here or in another tab.
 *
 * @param {string} refused why the last token was refused
 * @param {boolean} ask whether to ask other tabs for theirs
 */
async function signIn(refused, ask) {
  const wait = new AbortController();
  const elsewhere = givenByAnotherTab(wait.signal, { ask }).then(enter);
  await Promise.race([signInPage(app, refused), elsewhere]);
  wait.abort();
}

/** @type {ReturnType<typeof navigation>} */
let bar;
let section = "";

function frame() {
  bar = navigation(signOut);
  bar.show(section);
  replace(app, h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to the content"), bar.element, main);
}

/** @param {MouseEvent} event */
function skip(event) {
  event.preventDefault();
  main.focus();
}

/** @type {Promise<void> | null} */
let renewing = null;

/** Ask once for everything that waits for a token; what is on the screen stays. */
function renew() {
  renewing ??= askForToken().finally(() => {
    renewing = null;
  });
  return renewing;
}

async function askForToken() {
  const before = caller().username;
  if (await renewUnasked(before)) return;
  const wait = new AbortController();
  const found = await askAgain(unsaved(), givenByAnotherTab(wait.signal, { username: before }));
  wait.abort();
  if (!found) throw new SignedOut("You are signed out. Nothing you typed is lost: sign in, then go on.");
  enter(found);
  frame();
  if (found.me.username !== before && !unsaved()) refresh();
}

/**
 * Renew the session by the provider, without asking the user or touching the screen; return whether it has.
 *
 * @param {string} username whose it must be
 */
async function renewUnasked(username) {
  const grant = await renewGrant();
  if (!grant) return false;
  const me = await whoIs(grant.access).catch(() => null);
  if (me?.username !== username || !isCurrent(grant)) return false;
  enter({ token: grant.access, me, grant });
  return true;
}

/** Leave nothing: not the token, nothing that was read, and no page where browsers keep some to go back to. */
async function signOut() {
  if (!(await mayLeave())) return;
  const ending = whereToEnd();
  signOutOtherTabs();
  forget();
  dropGrant();
  session.me = null;
  replace(app);
  const end = await ending; // the session has ended by then, however long the provider takes
  if (end) return location.assign(end);
  history.pushState(null, "", address("/"));
  leave();
}

/** Leave nothing here either; but what was typed stays, and saving it asks for a token. */
function signedOutElsewhere() {
  dropGrant();
  if (!unsaved()) leave();
}

function leave() {
  session.me = null;
  replace(app);
  history.replaceState(null, "", location.pathname + location.search + SIGNED_OUT);
  location.reload();
}

addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

begin();
