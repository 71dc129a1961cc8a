// Tokens: the caller's own, and for administrators those of anyone.

import { get, path, post, remove } from "../api.js";
import { isAdministrator, isCaller, mayUseTokens } from "../caller.js";
import { button } from "../components/buttons.js";
import { searchUsers } from "../components/choices.js";
import { comboField } from "../components/combobox.js";
import { confirmDialog } from "../components/confirm.js";
import { copyButton } from "../components/copy.js";
import { openDialog } from "../components/dialog.js";
import { expiryField } from "../components/expiry.js";
import { choiceField, textField } from "../components/fields.js";
import { comboFilter, filters } from "../components/filters.js";
import { form } from "../components/form.js";
import { icon } from "../components/icons.js";
import { badge, identifierText } from "../components/labels.js";
import { listing, pagesOf } from "../components/listing.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { toast } from "../components/toast.js";
import { h, sentence } from "../dom.js";
import { session } from "../session.js";
import { ago, day, isPast } from "../time.js";
import { permissionWords, SCOPES } from "../words.js";
import { notForCaller } from "./not_found.js";

export async function tokensPage(view) {
  if (!mayUseTokens())
    return notForCaller("Tokens", "The token you are signed in with was made without the scope for it.");
  const whose = () => (isAdministrator() && bar.values().username) || session.me.username;
  const controls = isAdministrator() ? [comboFilter("username", "Tokens of", searchUsers)] : [];
  const query =
    isAdministrator() && !view.query.username ? { ...view.query, username: session.me.username } : view.query;
  const bar = filters("/tokens", query, controls, () => list.reload({ anew: true }));
  const make = async () => (await createToken(whose())) && list.reload();
  const list = await listing({
    caption: "Tokens",
    noun: ["token"],
    columns: columns((did) => did && list.reload()),
    fetchPage: pagesOf(get, "/tokens", "tokens", bar.values),
    none: () =>
      empty(
        "token",
        "No tokens",
        sentence`${whose()} has none, so no program and no page can act for them.`,
        button("Make a token", make, { kind: "primary" }),
      ),
    view,
  });
  const lead = h(
    "p",
    {},
    "Whoever has a token can do what its user can, or less if it has scopes. Make one for each program and person.",
  );
  return {
    title: "Tokens",
    content: [
      pageHeader("Tokens", { lead, actions: button("Make a token", make, { kind: "primary", symbol: "plus" }) }),
      bar.element,
      list.element,
    ],
  };
}

const columns = (changed) => [
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
  { label: "Can", cell: ({ scopes }) => (scopes === null ? "All that the user may" : permissionWords(scopes)) },
  {
    label: "Expires",
    cell: ({ expires_at: end }) =>
      end === null ? h("span", { class: "muted" }, "Never") : isPast(end) ? badge("Expired", "warning") : ago(end),
  },
  { label: "Last used", cell: ({ last_used_at: at }) => (at ? ago(at) : h("span", { class: "muted" }, "Never")) },
  { label: "Made", cell: ({ created_at: at }) => day(at) },
  {
    label: "",
    class: "row-actions",
    cell: (token) => button("Revoke", async () => changed(await revoke(token)), { kind: "quiet danger" }),
  },
];

/** Make one and show its secret; answers whether one was made. */
async function createToken(username) {
  const owner =
    isAdministrator() &&
    comboField("username", "For", { search: searchUsers, value: { value: username, text: username } });
  const scopes = scopeFields();
  const making = form({
    fields: [
      textField("name", "Name", { hint: "What will use it, so that it can be told apart later." }),
      owner,
      ...scopes.fields,
      expiryField("expires_at", "Expires", { span: "90" }),
    ].filter(Boolean),
    submit: "Make the token",
    blame: { NOT_FOUND: "username" },
    cancel: () => dialog.close(null),
    send: async ({ kind, ...values }) =>
      dialog.close(await post("/tokens", { ...values, scopes: kind === "all" ? null : values.scopes })),
  });
  const dialog = openDialog({ title: "Make a token", content: making.element, unsaved: making.unsaved });
  const made = await dialog.closed;
  if (made) await showSecret(made);
  return Boolean(made);
}

/** All that the user may, or some of it; no more than the token can that the caller is signed in with. */
function scopeFields() {
  const mine = session.me.scopes;
  const offered = SCOPES.filter(({ value }) => mine === null || mine.includes(value));
  const scopes = choiceField("scopes", "Only this", offered, { value: [], many: true });
  if (mine !== null) return { fields: [scopes] };
  const kind = choiceField(
    "kind",
    "It can",
    [
      { value: "all", word: "All that the user may", says: "Now and in future" },
      { value: "some", word: "Only some of it", says: "Best for programs: choose what they need" },
    ],
    { value: "all" },
  );
  const draw = () => (scopes.element.hidden = kind.value() === "all");
  kind.element.addEventListener("change", draw);
  draw();
  return { fields: [kind, scopes] };
}

async function showSecret({ token, secret }) {
  let copied = false;
  const done = button("Done", () => dialog.close(true), { kind: "primary" });
  const copy = copyButton(secret, "Copy the token", { label: "Copy", done: () => (copied = true) });
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
    loses: { title: "Close without a copy?", says: "The token can't be shown again.", stay: "Go back", leave: "Close" },
  });
  copy.focus();
  await dialog.closed;
}

async function revoke(token) {
  const done = await confirmDialog({
    title: "Revoke this token?",
    intro: sentence`Whatever uses ${token.name || token.id} of ${token.username} is refused from the next request on. This can't be undone.`,
    consequences: [
      token.last_used_at ? ["It was last used ", ago(token.last_used_at), "."] : "It was never used.",
      isCaller(token.username) && "If it is the one you are signed in with, you will have to sign in with another.",
    ].filter(Boolean),
    submit: "Revoke token",
    run: () => remove(path`/tokens/${token.id}`),
  });
  if (done) toast("The token is revoked.");
  return done;
}
