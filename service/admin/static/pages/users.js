// The users of the organization, for administrators.

import { isAdministrator, isCaller } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { filters, textFilter } from "../components/filters.js";
import { badge, granteeLink } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { pageHeader } from "../components/page.js";
import { Selection } from "../components/selection.js";
import { empty } from "../components/states.js";
import { h, name, sentence } from "../dom.js";
import { roleLabel } from "../labels.js";
import { address, go } from "../router.js";
import { day } from "../time.js";
import { notForCaller } from "./not_found.js";
import { changeRole, createUser, disable, enable } from "./user_dialogs.js";
import { manyUsers } from "./users_many.js";
import { createUsers } from "./users_paste.js";

/** @import { User } from "../../answers.d.ts" */
/** @import { List } from "../components/listing.js" */
/** @import { Choice } from "../components/ordering.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @type {Choice[]} */
const ORDERS = [
  ["username", "Username, A to Z", "Username, Z to A"],
  ["display_name", "Name, A to Z", "Name, Z to A"],
  ["email", "Email, A to Z", "Email, Z to A"],
  ["role", "Administrators first", "Pipeline administrators first"],
  ["created_at", "Oldest first", "Newest first"],
];

/** @typedef {(done: unknown) => unknown} Changed */

/** @param {View} view */
export async function usersPage(view) {
  if (!isAdministrator()) return notForCaller("Users", "Only administrators handle users.");
  const order = ordering("username", ORDERS);
  const bar = filters(
    "/users",
    view.query,
    [textFilter("q", "Search", { main: true, placeholder: "Username, name or email" }), order.filter],
    () => list.reload({ anew: true }),
  );
  /** @type {Changed} */
  const changed = (did) => did && list.reload();
  const create = async () => changed(await createUser());
  const many = async () => changed(await createUsers());
  /** @type {Selection<User>} */
  const selected = new Selection({
    noun: "user",
    key: ({ username }) => username,
    memory: view.memory,
    actions: (selection) => manyUsers(selection, changed),
  });
  /** @type {List} */
  const list = await listing({
    caption: "Users",
    noun: "user",
    columns: columns(changed),
    fetchPage: pagesOf("/users", "users", bar.values, { counted: true }),
    none: () =>
      empty(
        "search",
        "No user fits",
        sentence`Nobody has “${bar.values().q}” in their username, name or email.`,
        button("Show everyone", () => go(address("/users"), { instead: true })),
      ),
    view,
    order,
    selected,
  });
  return {
    title: "Users",
    content: [
      pageHeader("Users", {
        actions: [button("Create many", many), button("Create user", create, { kind: "primary", symbol: "plus" })],
      }),
      bar.element,
      selected.element,
      list.element,
    ],
  };
}

/**
 * @param {Changed} changed
 * @returns {Column<User>[]}
 */
const columns = (changed) => [
  {
    label: "Username",
    order: "username",
    cell: ({ username, disabled, provisioned }) =>
      h(
        "span",
        { class: disabled ? "off" : "" },
        granteeLink("user", username),
        isCaller(username) && badge("You"),
        provisioned && badge("Provisioned"),
      ),
  },
  { label: "Name", order: "display_name", class: "person", cell: person },
  {
    label: "Role",
    order: "role",
    cell: ({ role }) => (role === "member" ? roleLabel(role) : badge(roleLabel(role), "accent")),
  },
  { label: "State", cell: ({ disabled }) => (disabled ? badge("Disabled", "warning") : "Active") },
  { label: "Since", order: "created_at", cell: ({ created_at: at }) => day(at) },
  { label: "", class: "row-actions", cell: (user) => actions(user, changed) },
];

/** @param {User} user */
const person = ({ display_name: display, email }) =>
  (display || email) &&
  h("span", { class: "two-lines" }, display && name(display), email && h("span", { class: "muted" }, name(email)));

/**
 * @param {User} user
 * @param {Changed} changed
 */
const actions = (user, changed) => [
  h(
    "a",
    { href: address("/tokens", { username: user.username }), "aria-label": `Tokens of ${user.username}` },
    "Tokens",
  ),
  iconButton("edit", `Change the role of ${user.username}`, async () => changed(await changeRole(user))),
  !user.provisioned &&
    (user.disabled
      ? button("Enable", async () => changed(await enable(user)), { kind: "quiet" })
      : button("Disable", async () => changed(await disable(user)), { kind: "quiet danger" })),
];
