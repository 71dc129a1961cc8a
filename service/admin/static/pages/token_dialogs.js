// Make, rotate and revoke a token.

import { call, path, post, remove } from "../api.js";
import { isAdministrator, isCaller } from "../caller.js";
import { button } from "../components/buttons.js";
import { searchUsers } from "../components/choices.js";
import { comboField } from "../components/combobox.js";
import { confirmDialog } from "../components/confirm.js";
import { copyButton } from "../components/copy.js";
import { openDialog } from "../components/dialog.js";
import { expiryField } from "../components/expiry.js";
import { choiceField, choicesField, textField } from "../components/fields.js";
import { form } from "../components/form.js";
import { icon } from "../components/icons.js";
import { toast } from "../components/toast.js";
import { count, h, sentence } from "../dom.js";
import { SCOPES } from "../labels.js";
import { caller } from "../session.js";
import { ago } from "../time.js";

/** @import { Token, TokenAnswer } from "../../answers.d.ts" */
/** @import { Dialog } from "../components/dialog.js" */
/** @import { Field } from "../components/fields.js" */

/**
 * A new token, with the secret that is shown once.
 *
 * @typedef {{token: Token, secret: string}} NewToken
 */

/**
 * Make a token and show its secret; return whether one was made.
 *
 * @param {string} username
 */
export async function createToken(username) {
  const owner = comboField("username", "For", { search: searchUsers, value: { value: username, text: username } });
  const making = form({
    fields: [
      textField("name", "Name", { hint: "What will use it, so that it can be told apart later." }),
      ...(isAdministrator() ? [owner] : []),
      ...scopeFields(),
      expiryField("expires_at", "Expires", { span: caller().identity_provider ? "never" : "90" }),
    ],
    submit: "Make the token",
    intro: h("p", {}, "It ends with the token that you are signed in with, and is revoked with it."),
    blame: { NOT_FOUND: "username" },
    cancel: () => dialog.close(null),
    send: async ({ kind, ...values }) =>
      dialog.close(await post("/tokens", { ...values, scopes: kind === "all" ? null : values.scopes })),
  });
  /** @type {Dialog<NewToken>} */
  const dialog = openDialog({ title: "Make a token", content: making.element, unsaved: making.unsaved });
  const made = await dialog.closed;
  if (made) await showSecret(made);
  return Boolean(made);
}

/**
 * Make the fields for all that the user may, or some of it; no more than the token can that the caller is signed in
 * with.
 *
 * @returns {Field[]}
 */
function scopeFields() {
  const mine = caller().scopes;
  const offered = SCOPES.filter(({ value }) => mine === null || mine.includes(value));
  const scopes = choicesField("scopes", "Only this", offered, { value: [] });
  if (mine !== null) return [scopes];
  const kind = choiceField(
    "kind",
    "It can",
    [
      { value: "all", label: "All that the user may", description: "Now and in future" },
      { value: "some", label: "Only some of it", description: "Best for programs: choose what they need" },
    ],
    { value: "all" },
  );
  const draw = () => {
    scopes.element.hidden = kind.value() === "all";
  };
  kind.element.addEventListener("change", draw);
  draw();
  return [kind, scopes];
}

/** @param {NewToken} made */
async function showSecret({ token, secret }) {
  let copied = false;
  const done = button("Done", () => dialog.close(true), { kind: "primary" });
  const copy = copyButton(secret, "Copy the token", {
    label: "Copy",
    done: () => {
      copied = true;
    },
  });
  const dialog = openDialog({
    title: "Copy the token now",
    content: h(
      "div",
      { class: "dialog-body" },
      h(
        "p",
        {},
        sentence`This is the token of ${token.username}. It is shown here and nowhere again: if it gets lost, make another.`,
      ),
      h(
        "div",
        { class: "id-card secret" },
        h(
          "div",
          {},
          h("span", { class: "label" }, "Token"),
          h("code", { class: "identifier", tabindex: "0", "aria-label": "Token" }, secret),
        ),
        copy,
      ),
      h(
        "div",
        { class: "notice" },
        icon("warning"),
        h("p", {}, "Whoever has it can act as this user. Keep it where passwords are kept."),
      ),
      h("footer", {}, done),
    ),
    unsaved: () => !copied,
    loses: {
      title: "Close without a copy?",
      message: "The token can't be shown again.",
      stay: "Go back",
      leave: "Close",
    },
  });
  copy.focus();
  await dialog.closed;
}

/** Tokens made with one up to which the service counts them. */
const MAX_COUNTED = 10_000;

/** @param {Token} token */
export async function revoke(token) {
  const where = path`/tokens/${token.id}`;
  /** @type {{body: TokenAnswer, tag: string | null}} */
  const { body, tag } = await call("GET", where);
  const more = body.descendants;
  const uncounted = more >= MAX_COUNTED;
  const others = uncounted ? `${count(more, "token")} or more` : count(more, "token");
  const done = await confirmDialog({
    title: "Revoke this token?",
    intro: sentence`Whatever uses ${token.name || token.id} of ${token.username} is refused from the next request on. This can't be undone.`,
    consequences: [
      more > 0 && `${others} made with it, or in its place, ${more === 1 ? "goes" : "go"} along.`,
      token.last_used_at ? ["It was last used ", ago(token.last_used_at), "."] : "It was never used.",
      isCaller(token.username) && "If it is the one you are signed in with, you will have to sign in with another.",
    ],
    submit: "Revoke token",
    run: () => remove(where, { ifMatch: tag }),
  });
  const all = uncounted ? "The token and those made with it" : count(more + 1, "token");
  if (done) toast(more > 0 ? `${all} are revoked.` : "The token is revoked.");
  return done;
}

/**
 * Put a new token in the place of another; return whether that was done.
 *
 * @param {Token} token
 */
export async function rotate(token) {
  const overlap = choiceField(
    "overlap_seconds",
    "The old token",
    [
      { value: "3600", label: "Works for one more hour", description: "So that programs can change over" },
      { value: "0", label: "Ends at once", description: "If somebody else may have it" },
    ],
    { value: "3600" },
  );
  /** @type {NewToken | null} */
  let made = null;
  const done = await confirmDialog({
    title: "Rotate this token?",
    intro: sentence`A new token takes the place of ${token.name || token.id} of ${token.username}. It can do the same, and ends when the old one would have.`,
    fields: [overlap],
    danger: false,
    submit: "Rotate token",
    run: async (values) => {
      made = await post(path`/tokens/${token.id}/rotate`, { overlap_seconds: Number(values.overlap_seconds) });
    },
  });
  if (made) await showSecret(made);
  return done;
}
