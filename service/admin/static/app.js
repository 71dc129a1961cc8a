// The start: the user is signed in, then the frame around the views is shown, and the views.

import { ApiError, SignedOut, whoIs } from "./api.js";
import { navigation } from "./components/navigation.js";
import { askAgain, signInPage } from "./components/sign_in.js";
import { failure } from "./components/states.js";
import { h, replace } from "./dom.js";
import { address, mayLeave, refresh, startRouter, unsaved } from "./router.js";
import { routes } from "./routes.js";
import { caller, forget, keep, session } from "./session.js";
import { followOtherTabs, givenByAnotherTab, joinOtherTabs, signOutOtherTabs } from "./sharing.js";

const app = document.getElementById("app") ?? document.body;
const main = h("main", { id: "main", tabindex: "-1" });

/** Behind the address of a page that has just signed out, which takes no session of another tab unasked. */
const SIGNED_OUT = "#signed-out";

async function begin() {
  let refused = "";
  const left = hasLeft();
  if (session.token) {
    try {
      session.me = await whoIs(session.token);
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) {
        return replace(app, h("main", { class: "starting" }, h("h1", {}, "Flow Pipelines"), failure(error, begin)));
      }
      forget();
      refused = error.message;
    }
  }
  if (!session.me && (left || !(await joinOtherTabs()))) await signIn(refused, !left);
  session.renew = renew;
  followOtherTabs(signedOutElsewhere);
  frame();
  await startRouter(routes, main, (route) => {
    section = route.section;
    bar.show(section);
  });
}

/** Return whether this page has just signed out, and drop what says so from its address. */
function hasLeft() {
  if (location.hash !== SIGNED_OUT) return false;
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

/**
 * Wait until the user has signed in, here or in another tab.
 *
 * @param {string} refused why the last token was refused
 * @param {boolean} ask whether to ask other tabs for theirs
 */
async function signIn(refused, ask) {
  const wait = new AbortController();
  const elsewhere = givenByAnotherTab(wait.signal, { ask }).then(({ token, me }) => keep(token, me));
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
  const wait = new AbortController();
  const found = await askAgain(unsaved(), givenByAnotherTab(wait.signal, { username: before }));
  wait.abort();
  if (!found) throw new SignedOut("You are signed out. Nothing you typed is lost: sign in, then go on.");
  keep(found.token, found.me);
  frame();
  if (found.me.username !== before && !unsaved()) refresh();
}

/** Leave nothing: not the token, nothing that was read, and no page where browsers keep some to go back to. */
async function signOut() {
  if (!(await mayLeave())) return;
  signOutOtherTabs();
  forget();
  history.pushState(null, "", address("/"));
  leave();
}

/** Leave nothing here either; but what was typed stays, and saving it asks for a token. */
function signedOutElsewhere() {
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
