// The users of the organization, for administrators.

import { call, get, path, post } from "../api.js";
import { isAdministrator, isCaller } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { confirmDialog } from "../components/confirm.js";
import { openDialog } from "../components/dialog.js";
import { choiceField, textField } from "../components/fields.js";
import { filters, textFilter } from "../components/filters.js";
import { form } from "../components/form.js";
import { badge, grantee } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { toast } from "../components/toast.js";
import { count, h, sentence } from "../dom.js";
import { ROLES, roleLabel } from "../labels.js";
import { address, go } from "../router.js";
import { day } from "../time.js";
import { notForCaller } from "./not_found.js";

/** @import { KeptGrant, Page, Token, User, UserAnswer } from "../../answers.d.ts" */
/** @import { Dialog } from "../components/dialog.js" */
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
      h("span", { class: disabled ? "off" : "" }, grantee("user", username), isCaller(username) && badge("You")),
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

async function createUser() {
  const creating = form({
    fields: [
      textField("username", "Username", { hint: "Letters, digits and _ . @ -" }),
      choiceField("role", "Role", ROLES, { value: "member" }),
    ],
    submit: "Create user",
    blame: { ALREADY_EXISTS: "username" },
    cancel: () => dialog.close(null),
    send: async (values) => {
      /** @type {{user: User}} */
      const { user } = await post("/users", values);
      dialog.close(user);
    },
  });
  /** @type {Dialog<User>} */
  const dialog = openDialog({ title: "Create a user", content: creating.element, unsaved: creating.unsaved });
  const made = await dialog.closed;
  if (made)
    toast(
      sentence`${made.username} is there. `,
      h("a", { href: address("/tokens", { username: made.username }) }, "Make a token"),
      " so that they can sign in.",
    );
  return made;
}

/**
 * Fetch a user as it is now, and the tag that a change is bound to.
 *
 * @param {string} where
 */
async function present(where) {
  /** @type {{body: {user: User}, tag: string | null}} */
  const { body, tag } = await call("GET", where);
  return { user: body.user, tag };
}

/** @param {User} user */
async function changeRole({ username }) {
  const where = path`/users/${username}`;
  let { user, tag } = await present(where);
  /** @type {KeptGrant[]} */
  let kept = [];
  const role = choiceField("role", "Role", ROLES, { value: user.role });
  const changing = form({
    fields: [role],
    submit: "Save",
    intro:
      isCaller(username) &&
      h("p", {}, "This is you: what the new role does not hold, you can't do from the next request on."),
    blame: { FAILED_PRECONDITION: "role" },
    cancel: () => dialog.close(false),
    send: async (values) => {
      /** @type {{body: UserAnswer}} */
      const { body } = await call("PATCH", where, { body: values, ifMatch: tag });
      kept = body.keeps ?? [];
      dialog.close(true);
    },
    conflict: async () => {
      ({ user, tag } = await present(where));
      const theirs = roleLabel(user.role) + (user.disabled ? ", disabled" : "");
      return {
        message: "Somebody else has changed this user meanwhile.",
        rows: [{ label: "Role", theirs, yours: roleLabel(role.value()) }],
        take: () => role.set(user.role),
        focus: role.focus,
      };
    },
  });
  /** @type {Dialog<boolean>} */
  const dialog = openDialog({
    title: sentence`Role of ${username}`,
    content: changing.element,
    unsaved: changing.unsaved,
  });
  const done = await dialog.closed;
  if (done) toast(sentence`The role of ${username} is saved.`);
  if (kept.some(({ by_themselves: made }) => made)) await withdraw(username, kept);
  return done;
}

/**
 * Offer to take back what somebody has granted themselves while they had another role.
 *
 * @param {string} username
 * @param {KeptGrant[]} kept
 */
async function withdraw(username, kept) {
  const own = kept.filter(({ by_themselves: made, group }) => made && group === null);
  const groups = kept.filter(({ group }) => group !== null);
  const shown = own.slice(0, 10).map(({ name: pipeline }) => sentence`${pipeline}`);
  if (own.length > shown.length) shown.push([`${count(own.length - shown.length, "more pipeline")}`]);
  for (const { name: pipeline, group } of groups.slice(0, 10)) {
    shown.push(sentence`${pipeline}, by the group ${group ?? ""}: others may be in it, so take that back there`);
  }
  if (own.length === 0) {
    toast(sentence`${username} has granted access to groups of theirs, on: `, shown);
    return;
  }
  const done = await confirmDialog({
    title: "Take back what they granted themselves?",
    intro: sentence`${username} is a member now, but has made themselves, or a group of theirs, hold access to:`,
    consequences: shown,
    submit: "Take it back",
    run: () => call("PATCH", path`/users/${username}`, { body: { withdraw_grants: true } }),
  });
  if (done) toast(sentence`${username} no longer holds what they granted themselves.`);
}

/** @param {User} user */
async function disable({ username }) {
  const where = path`/users/${username}`;
  /** @type {Promise<Page & {tokens: Token[]}>} */
  const asked = get("/tokens", { username, page_size: 1000 });
  const [{ tag }, { tokens, next_page_token: more }] = await Promise.all([present(where), asked]);
  const done = await confirmDialog({
    title: "Disable this user?",
    intro: sentence`${username} is refused from the next request on, and can do nothing until enabled again.`,
    consequences: [
      stops(tokens.length, Boolean(more)),
      "Their jobs, groups and grants are kept.",
      isCaller(username) && "This is you: you will be signed out.",
    ],
    submit: "Disable user",
    run: () => call("PATCH", where, { body: { disabled: true }, ifMatch: tag }),
  });
  if (done) toast(sentence`${username} is disabled.`);
  return done;
}

/**
 * @param {number} number of tokens
 * @param {boolean} more
 */
function stops(number, more) {
  if (number === 0) return "They have no token.";
  if (number === 1) return "1 token of theirs stops working, and so does whatever uses it.";
  return `${more ? "More than " : ""}${count(number, "token")} of theirs stop working, and so does whatever uses them.`;
}

/** @param {User} user */
async function enable({ username }) {
  const where = path`/users/${username}`;
  const { tag } = await present(where);
  const done = await confirmDialog({
    title: "Enable this user?",
    intro: sentence`${username} can again do what is granted to them, and their tokens work again.`,
    submit: "Enable user",
    danger: false,
    run: () => call("PATCH", where, { body: { disabled: false }, ifMatch: tag }),
  });
  if (done) toast(sentence`${username} is enabled.`);
  return done;
}
