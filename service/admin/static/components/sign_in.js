// Signing in by a token: as a page of its own, and over what is on the screen when the token was refused meanwhile.

import { whoIs } from "../api.js";
import { h, replace } from "../dom.js";
import { keep } from "../session.js";
import { openDialog } from "./dialog.js";
import { textField } from "./fields.js";
import { form, InvalidInput } from "./form.js";
import { icon } from "./icons.js";

/** @import { Me } from "../../answers.d.ts" */
/** @import { Dialog } from "./dialog.js" */

/**
 * A token, and the user it belongs to.
 *
 * @typedef {{token: string, me: Me}} SignIn
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
      keep(found.token, found.me);
      resolve();
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
        signIn.element,
        h(
          "p",
          { class: "muted" },
          "No token? An administrator makes one on the page Tokens, or by the command ",
          h("code", {}, "flow-pipelines token create"),
          ".",
        ),
      ),
    );
    signIn.focus();
  });
}

/**
 * Ask over everything else; resolves to null if the user would rather not.
 *
 * @param {boolean} unsaved
 * @param {Promise<SignIn>} elsewhere a token that another tab gives meanwhile
 */
export async function askAgain(unsaved, elsewhere) {
  const signIn = signInForm(
    (found) => dialog.close(found),
    () => dialog.close(null),
  );
  /** @type {Dialog<SignIn>} */
  const dialog = openDialog({
    title: "Sign in again",
    content: h(
      "div",
      {},
      h(
        "p",
        { class: "dialog-lead" },
        "Your token is no longer accepted: it has expired or was revoked, or you have signed out in another tab. ",
        unsaved && "What you typed is still there.",
      ),
      signIn.element,
    ),
  });
  signIn.focus();
  elsewhere.then((found) => dialog.element.isConnected && dialog.close(found));
  return dialog.closed;
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
