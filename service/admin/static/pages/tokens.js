// Tokens: the caller's own, and for administrators those of anyone.

import { call, path, post, remove } from "../api.js";
import { isAdministrator, isCaller, mayUseTokens } from "../caller.js";
import { button } from "../components/buttons.js";
import { searchUsers } from "../components/choices.js";
import { comboField } from "../components/combobox.js";
import { confirmDialog } from "../components/confirm.js";
import { copyButton } from "../components/copy.js";
import { openDialog } from "../components/dialog.js";
import { expiryField } from "../components/expiry.js";
import { choiceField, choicesField, textField } from "../components/fields.js";
import { comboFilter, filters } from "../components/filters.js";
import { form } from "../components/form.js";
import { icon } from "../components/icons.js";
import { badge, identifierText } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { toast } from "../components/toast.js";
import { count, h, sentence } from "../dom.js";
import { permissionLabels, SCOPES } from "../labels.js";
import { address } from "../router.js";
import { caller } from "../session.js";
import { ago, day, isPast } from "../time.js";
import { notForCaller } from "./not_found.js";
import { rotate } from "./token_inventory.js";

/** @import { Token, TokenAnswer } from "../../answers.d.ts" */
/** @import { Dialog } from "../components/dialog.js" */
/** @import { Field } from "../components/fields.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/**
 * A new token, with the secret that is shown once.
 *
 * @typedef {{token: Token, secret: string}} NewToken
 */

/** @param {View} view */
export async function tokensPage(view) {
  if (!mayUseTokens())
    return notForCaller("Tokens", "The token you are signed in with was made without the scope for it.");
  const whose = () => (isAdministrator() && bar.values().username) || caller().username;
  const controls = isAdministrator() ? [comboFilter("username", "Tokens of", searchUsers)] : [];
  const query = isAdministrator() && !view.query.username ? { ...view.query, username: caller().username } : view.query;
  const bar = filters("/tokens", query, controls, () => list.reload({ anew: true }));
  const make = async () => (await createToken(whose())) && list.reload();
  /** @type {List} */
  const list = await listing({
    caption: "Tokens",
    noun: "token",
    columns: columns((did) => did && list.reload()),
    fetchPage: pagesOf("/tokens", "tokens", bar.values),
    none: () =>
      empty(
        "token",
        "No tokens",
        sentence`${whose()} has none, so no program and no page can act for them.`,
        button("Make a token", make, { kind: "primary" }),
      ),
    view,
  });
  const all = isAdministrator() && h("a", { href: address("/tokens/all"), class: "button" }, "All tokens");
  const lead = h(
    "p",
    {},
    "Whoever has a token can do what its user can, or less if it has scopes. Make one for each program and person.",
  );
  return {
    title: "Tokens",
    content: [
      pageHeader("Tokens", { lead, actions: [all, button("Make a token", make, { kind: "primary", symbol: "plus" })] }),
      bar.element,
      list.element,
    ],
  };
}

/**
 * @param {(done: boolean) => unknown} changed
 * @returns {Column<Token>[]}
 */
const columns = (changed) => [
  ...tokenColumns,
  {
    label: "",
    class: "row-actions",
    cell: (token) => [
      button("Rotate", async () => changed(await rotate(token)), { kind: "quiet" }),
      button("Revoke", async () => changed(await revoke(token)), { kind: "quiet danger" }),
    ],
  },
];

/** @type {Column<Token>[]} */
export const tokenColumns = [
  {
    label: "Name",
    class: "grow",
    cell: (token) =>
      h(
        "span",
        { class: "two-lines" },
        token.name ? h("bdi", { class: "name title" }, token.name) : h("span", { class: "muted" }, "Without a name"),
        identifierText(token.id),
      ),
  },
  { label: "Scopes", cell: ({ scopes }) => (scopes === null ? "All that the user may" : permissionLabels(scopes)) },
  {
    label: "Expires",
    cell: ({ expires_at: end }) =>
      end === null ? h("span", { class: "muted" }, "Never") : isPast(end) ? badge("Expired", "warning") : ago(end),
  },
  { label: "Last used", cell: ({ last_used_at: at }) => (at ? ago(at) : h("span", { class: "muted" }, "Never")) },
  { label: "Made", cell: ({ created_at: at }) => day(at) },
];

/**
 * Make a token and show its secret; return whether one was made.
 *
 * @param {string} username
 */
async function createToken(username) {
  const owner = comboField("username", "For", { search: searchUsers, value: { value: username, text: username } });
  const making = form({
    fields: [
      textField("name", "Name", { hint: "What will use it, so that it can be told apart later." }),
      ...(isAdministrator() ? [owner] : []),
      ...scopeFields(),
      expiryField("expires_at", "Expires", { span: "90" }),
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
export async function showSecret({ token, secret }) {
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

/** @param {Token} token */
export async function revoke(token) {
  const where = path`/tokens/${token.id}`;
  /** @type {{body: TokenAnswer, tag: string | null}} */
  const { body, tag } = await call("GET", where);
  const more = body.descendants;
  const done = await confirmDialog({
    title: "Revoke this token?",
    intro: sentence`Whatever uses ${token.name || token.id} of ${token.username} is refused from the next request on. This can't be undone.`,
    consequences: [
      more > 0 && `${count(more, "token")} made with it, or in its place, ${more === 1 ? "goes" : "go"} along.`,
      token.last_used_at ? ["It was last used ", ago(token.last_used_at), "."] : "It was never used.",
      isCaller(token.username) && "If it is the one you are signed in with, you will have to sign in with another.",
    ],
    submit: "Revoke token",
    run: () => remove(where, { ifMatch: tag }),
  });
  if (done) toast(more > 0 ? `${count(more + 1, "token")} are revoked.` : "The token is revoked.");
  return done;
}
