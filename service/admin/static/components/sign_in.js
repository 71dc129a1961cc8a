// Signing in by an identity provider or a token: as a page of its own, and over what is on the screen when the token was
// refused meanwhile.

import { whoIs } from "../api.js";
import { h, replace } from "../dom.js";
import { enter } from "../provider/grants.js";
import { goTo, signInByWindow } from "../provider/sign_in.js";
import { openDialog } from "./dialog.js";
import { textField } from "./fields.js";
import { form, InvalidInput } from "./form.js";
import { icon } from "./icons.js";
import { providerButtons } from "./provider_buttons.js";

/** @import { Me } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { Grant } from "../provider/protocol.js" */
/** @import { Dialog } from "./dialog.js" */

/**
 * A token, the user it belongs to, and the grant of the provider that it came by, if it did.
 *
 * @typedef {{token: string, me: Me, grant?: Grant | null}} SignIn
 */

/**
 * Show the page until a user has signed in.
 *
 * @param {Element} app
 * @param {string} refused why the last token was refused
 * @returns {Promise<void>}
 */
export function signInPage(app, refused) {
  return new Promise((resolve) => {
    const signIn = signInForm((found) => {
      enter(found);
      resolve();
    });
    const byProvider = providerButtons({
      signIn: goTo,
      asAnother: refused ? (provider) => goTo(provider, { prompt: "login" }) : null,
      waiting: "Taking you there …",
    });
    document.title = "Sign in · Flow Pipelines";
    replace(
      app,
      h(
        "main",
        { class: "sign-in" },
        h("div", { class: "brand" }, icon("pipeline"), "Flow Pipelines"),
        h("h1", {}, "Sign in"),
        refused && h("div", { class: "notice", role: "status" }, icon("warning"), h("p", {}, refused)),
        byProvider?.element,
        behind(byProvider !== null, [
          signIn.element,
          h(
            "p",
            { class: "muted" },
            "No token? An administrator makes one on the page Tokens, or by the command ",
            h("code", {}, "flow-pipelines token create"),
            ".",
          ),
        ]),
      ),
    );
    (byProvider ?? signIn).focus();
  });
}

/**
 * Ask over everything else; resolves to null if the user would rather not.
 *
 * @param {boolean} unsaved
 * @param {Promise<SignIn>} elsewhere a token that another tab gives meanwhile
 */
export async function askAgain(unsaved, elsewhere) {
  const ended = new AbortController();
  const signIn = signInForm(
    (found) => dialog.close(found),
    () => dialog.close(null),
  );
  const byProvider = providerButtons({
    signIn: async (provider) => {
      const grant = await signInByWindow(provider, ended.signal);
      dialog.close({ token: grant.access, me: await whoIs(grant.access), grant });
    },
    waiting: "Go on in the window that has opened. Nothing is lost here.",
  });
  /** @type {Dialog<SignIn>} */
  const dialog = openDialog({
    title: "Sign in again",
    content: h(
      "div",
      {},
      h(
        "p",
        { class: "dialog-lead" },
        byProvider
          ? "You are no longer signed in: your session has ended, or was ended in another tab or by an administrator. "
          : "Your token is no longer accepted: it has expired or was revoked, or you have signed out in another tab. ",
        unsaved && "What you typed is still there.",
      ),
      byProvider?.element,
      behind(byProvider !== null, signIn.element),
    ),
  });
  (byProvider ?? signIn).focus();
  dialog.closed.then(() => ended.abort());
  elsewhere.then((found) => dialog.element.isConnected && dialog.close(found));
  return dialog.closed;
}

/**
 * Put the form for a token behind what most people use, if there is that.
 *
 * @param {boolean} whether
 * @param {Child} content
 */
const behind = (whether, content) =>
  whether ? h("details", { class: "by-token" }, h("summary", {}, "Use a token"), content) : content;

/**
 * Say that a window has done what it was opened for, and close it where the browser lets a page do that.
 *
 * @param {Element} app
 */
export function closingPage(app) {
  document.title = "Signed in · Flow Pipelines";
  replace(
    app,
    h(
      "main",
      { class: "sign-in" },
      h("div", { class: "brand" }, icon("pipeline"), "Flow Pipelines"),
      h("h1", {}, "You are signed in"),
      h("p", {}, "Close this window, and go on where you were."),
    ),
  );
  window.close();
}

/**
 * @param {(found: SignIn) => void} done
 * @param {(() => void) | null} [cancel]
 */
function signInForm(done, cancel = null) {
  const token = textField("token", "Token", {
    type: "password",
    hint: "It begins with fp_ and stays in this page's tabs until you sign out or close the last.",
  });
  const { element } = form({
    fields: [token],
    submit: "Sign in",
    cancel,
    blame: { UNAUTHENTICATED: "token" },
    send: async () => {
      const trimmed = checked(token.value().trim());
      done({ token: trimmed, me: await whoIs(trimmed) });
    },
  });
  return { element, focus: token.focus };
}

/**
 * Return a token if a header can hold it; anything else is no token, whatever it is.
 *
 * @param {string} token
 */
function checked(token) {
  if (/^[!-~]+$/.test(token)) return token;
  throw new InvalidInput({ token: [token ? "This is not a token." : "Paste your token here."] });
}
