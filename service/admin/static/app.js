// The start: the user is signed in, then the frame around the views is shown, and the views.

import { ApiError, SignedOut, whoIs } from "./api.js";
import { navigation } from "./components/navigation.js";
import { askAgain, signInPage } from "./components/sign_in.js";
import { failure } from "./components/states.js";
import { h, replace } from "./dom.js";
import { address, mayLeave, refresh, startRouter, unsaved } from "./router.js";
import { routes } from "./routes.js";
import { caller, forget, keep, session } from "./session.js";

const app = document.getElementById("app") ?? document.body;
const main = h("main", { id: "main", tabindex: "-1" });

async function begin() {
  let refused = "";
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
  if (!session.me) await signInPage(app, refused);
  session.renew = renew;
  frame();
  await startRouter(routes, main, (route) => {
    section = route.section;
    bar.show(section);
  });
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
  const found = await askAgain(unsaved());
  if (!found) throw new SignedOut("You are signed out. Nothing you typed is lost: sign in, then go on.");
  keep(found.token, found.me);
  frame();
  if (found.me.username !== before && !unsaved()) refresh();
}

/** Leave nothing: not the token, nothing that was read, and no page where browsers keep some to go back to. */
async function signOut() {
  if (!(await mayLeave())) return;
  forget();
  session.me = null;
  replace(app);
  location.assign(address("/"));
}

addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

begin();
