// Signing in by a token: as a page of its own, and over what is on the screen when the token was refused meanwhile.

import { whoIs } from "../api.js";
import { add, h, replace } from "../dom.js";
import { keep } from "../session.js";
import { openDialog } from "./dialog.js";
import { textField } from "./fields.js";
import { form } from "./form.js";
import { icon } from "./icons.js";

/** Show the page until somebody has signed in. */
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

/** Ask over everything else; resolves to {token, me}, or null if the person would rather not. */
export async function askAgain(unsaved) {
  const signIn = signInForm(
    (found) => dialog.close(found),
    () => dialog.close(null),
  );
  const dialog = openDialog({
    title: "Sign in again",
    content: h(
      "div",
      {},
      h(
        "p",
        { class: "dialog-lead" },
        "Your token is no longer accepted: it has expired or was revoked. ",
        unsaved && "What you typed is still there.",
      ),
      signIn.element,
    ),
  });
  signIn.focus();
  return dialog.closed;
}

function signInForm(done, cancel = null) {
  const token = textField("token", "Token", {
    type: "password",
    hint: "It begins with fp_ and stays in this tab until you sign out or close it.",
  });
  const made = form({
    fields: [token],
    submit: "Sign in",
    cancel,
    blame: { UNAUTHENTICATED: "token" },
    send: async ({ token: text }) => {
      const trimmed = text.trim();
      done({ token: trimmed, me: await whoIs(checked(trimmed)) });
    },
  });
  add(made.element);
  return { element: made.element, focus: token.focus };
}

/** A header can hold no more than this; anything else is no token, whatever it is. */
function checked(token) {
  if (/^[!-~]+$/.test(token)) return token;
  throw Object.assign(new Error(), { details: { token: [token ? "This is not a token." : "Paste your token here."] } });
}
