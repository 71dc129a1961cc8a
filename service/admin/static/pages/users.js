// The users of the organization, for administrators.

import { isAdministrator, isCaller } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { filters, textFilter } from "../components/filters.js";
import { badge, granteeLink } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { h, sentence } from "../dom.js";
import { roleLabel } from "../labels.js";
import { address, go } from "../router.js";
import { day } from "../time.js";
import { notForCaller } from "./not_found.js";
import { changeRole, createUser, disable, enable } from "./user_dialogs.js";

/** @import { User } from "../../answers.d.ts" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @typedef {(done: unknown) => unknown} Changed */

/** @param {View} view */
export async function usersPage(view) {
  if (!isAdministrator()) return notForCaller("Users", "Only administrators handle users.");
  const bar = filters(
    "/users",
    view.query,
    [textFilter("name", "Search", { main: true, placeholder: "A part of the username" })],
    () => list.reload({ anew: true }),
  );
  /** @type {Changed} */
  const changed = (did) => did && list.reload();
  const create = async () => changed(await createUser());
  /** @type {List} */
  const list = await listing({
    caption: "Users",
    noun: "user",
    columns: columns(changed),
    fetchPage: pagesOf("/users", "users", bar.values),
    none: () =>
      empty(
        "search",
        "No user fits",
        sentence`Nobody has “${bar.values().name}” in their username.`,
        button("Show everyone", () => go(address("/users"), { instead: true })),
      ),
    view,
  });
  return {
    title: "Users",
    content: [
      pageHeader("Users", { actions: button("Create user", create, { kind: "primary", symbol: "plus" }) }),
      bar.element,
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
    class: "grow",
    cell: ({ username, disabled }) =>
      h("span", { class: disabled ? "off" : "" }, granteeLink("user", username), isCaller(username) && badge("You")),
  },
  { label: "Role", cell: ({ role }) => (role === "member" ? roleLabel(role) : badge(roleLabel(role), "accent")) },
  { label: "State", cell: ({ disabled }) => (disabled ? badge("Disabled", "warning") : "Active") },
  { label: "Since", cell: ({ created_at: at }) => day(at) },
  { label: "", class: "row-actions", cell: (user) => actions(user, changed) },
];

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
  user.disabled
    ? button("Enable", async () => changed(await enable(user)), { kind: "quiet" })
    : button("Disable", async () => changed(await disable(user)), { kind: "quiet danger" }),
];
