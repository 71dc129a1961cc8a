// Tokens: the caller's own, and for administrators those of anyone.

import { isAdministrator, mayUseTokens } from "../caller.js";
import { button } from "../components/buttons.js";
import { searchUsers } from "../components/choices.js";
import { comboFilter, filters } from "../components/filters.js";
import { badge, identifierText } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { h, sentence } from "../dom.js";
import { permissionLabels } from "../labels.js";
import { address } from "../router.js";
import { caller } from "../session.js";
import { ago, day, isPast } from "../time.js";
import { notForCaller } from "./not_found.js";
import { createToken, revoke, rotate } from "./token_dialogs.js";

/** @import { Token } from "../../answers.d.ts" */
/** @import { List } from "../components/listing.js" */
/** @import { Choice } from "../components/ordering.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @type {Choice[]} */
export const TOKEN_ORDERS = [
  ["created_at", "Oldest first", "Newest first"],
  ["name", "Name, A to Z", "Name, Z to A"],
  ["expires_at", "First to expire first", "Never expiring first"],
  ["last_used_at", "Longest unused first", "Last used first"],
];

/** @param {View} view */
export async function tokensPage(view) {
  if (!mayUseTokens())
    return notForCaller("Tokens", "The token you are signed in with was made without the scope for it.");
  const whose = () => (isAdministrator() && bar.values().username) || caller().username;
  const controls = isAdministrator() ? [comboFilter("username", "Tokens of", searchUsers)] : [];
  const query = isAdministrator() && !view.query.username ? { ...view.query, username: caller().username } : view.query;
  const order = ordering("-created_at", TOKEN_ORDERS);
  const bar = filters("/tokens", query, [...controls, order.filter], () => list.reload({ anew: true }));
  const make = async () => (await createToken(whose())) && list.reload();
  /** @type {List} */
  const list = await listing({
    caption: "Tokens",
    noun: "token",
    columns: columns((did) => did && list.reload()),
    fetchPage: pagesOf("/tokens", "tokens", bar.values, { counted: true }),
    none: () =>
      empty(
        "token",
        "No tokens",
        sentence`${whose()} has none, so no program and no page can act for them.`,
        button("Make a token", make, { kind: "primary" }),
      ),
    view,
    order,
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
const columns = (changed) => [...tokenColumns, tokenActions(changed)];

/**
 * @param {(done: boolean) => unknown} changed
 * @returns {Column<Token>}
 */
export const tokenActions = (changed) => ({
  label: "",
  class: "row-actions",
  cell: (token) => [
    button("Rotate", async () => changed(await rotate(token)), { kind: "quiet" }),
    button("Revoke", async () => changed(await revoke(token)), { kind: "quiet danger" }),
  ],
});

/** @type {Column<Token>[]} */
export const tokenColumns = [
  {
    label: "Name",
    class: "grow",
    order: "name",
    cell: (token) =>
      h(
        "span",
        { class: "two-lines" },
        token.name ? h("bdi", { class: "name title" }, token.name) : h("span", { class: "muted" }, "Without a name"),
        identifierText(token.id),
      ),
  },
  { label: "Scopes", class: "scopes", cell: ({ scopes }) => (scopes === null ? "All" : permissionLabels(scopes)) },
  {
    label: "Expires",
    order: "expires_at",
    cell: ({ expires_at: end }) =>
      end === null ? h("span", { class: "muted" }, "Never") : isPast(end) ? badge("Expired", "warning") : ago(end),
  },
  {
    label: "Last used",
    order: "last_used_at",
    cell: ({ last_used_at: at }) => (at ? ago(at) : h("span", { class: "muted" }, "Never")),
  },
  { label: "Made", order: "created_at", cell: ({ created_at: at }) => day(at) },
];
