// Create, change, disable and enable a user.

import { call, get, path, post } from "../api.js";
import { isCaller } from "../caller.js";
import { confirmDialog } from "../components/confirm.js";
import { openDialog } from "../components/dialog.js";
import { choiceField, textField } from "../components/fields.js";
import { form } from "../components/form.js";
import { toast } from "../components/toast.js";
import { count, h, sentence } from "../dom.js";
import { ROLES, roleLabel } from "../labels.js";
import { address } from "../router.js";

/** @import { KeptGrant, Page, Token, User, UserAnswer } from "../../answers.d.ts" */
/** @import { Dialog } from "../components/dialog.js" */

/** Create a user; return them, or null. */
export async function createUser() {
  const creating = form({
    fields: [
      textField("username", "Username", { hint: "Letters, digits and _ . @ -" }),
      ...personFields({ display_name: null, email: null }),
      choiceField("role", "Role", ROLES, { value: "member" }),
    ],
    submit: "Create user",
    blame: { ALREADY_EXISTS: "username" },
    cancel: () => dialog.close(null),
    send: async (values) => {
      /** @type {{user: User}} */
      const { user } = await post("/users", orNull(values));
      dialog.close(user);
    },
  });
  /** @type {Dialog<User>} */
  const dialog = openDialog({ title: "Create a user", content: creating.element, unsaved: creating.unsaved });
  const made = await dialog.closed;
  if (made)
    toast(
      sentence`${made.username} is created. `,
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
export async function present(where) {
  /** @type {{body: {user: User}, tag: string | null}} */
  const { body, tag } = await call("GET", where);
  return { user: body.user, tag };
}

/**
 * Change the role of a user; return whether it was changed.
 *
 * @param {User} user
 */
export async function changeRole({ username }) {
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

/**
 * Disable a user, after telling what stops; return whether they were disabled.
 *
 * @param {User} user
 */
export async function disable({ username }) {
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

/**
 * Enable a user; return whether they were enabled.
 *
 * @param {User} user
 */
export async function enable({ username }) {
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

/**
 * Make the fields of what people know a user by.
 *
 * @param {{display_name: string | null, email: string | null}} person
 */
function personFields({ display_name: display, email }) {
  return [
    textField("display_name", "Display name", { value: display ?? "", optional: true, spellcheck: true }),
    textField("email", "Email", { value: email ?? "", type: "email", optional: true }),
  ];
}

/**
 * Return the values of fields with null for what people are known by and was left empty.
 *
 * @param {Record<string, unknown>} values
 */
const orNull = (values) => ({ ...values, display_name: values.display_name || null, email: values.email || null });

/**
 * Change the display name and the email of a user; return whether they were changed.
 *
 * @param {User} user
 */
export async function changePerson({ username }) {
  const where = path`/users/${username}`;
  let { user, tag } = await present(where);
  const fields = personFields(user);
  const [display, email] = fields;
  const changing = form({
    fields,
    submit: "Save",
    cancel: () => dialog.close(false),
    send: async (values) => {
      await call("PATCH", where, { body: orNull(values), ifMatch: tag });
      dialog.close(true);
    },
    conflict: async () => {
      ({ user, tag } = await present(where));
      return {
        message: "Somebody else has changed this user meanwhile.",
        rows: [
          { label: "Display name", theirs: user.display_name ?? "", yours: display.value() },
          { label: "Email", theirs: user.email ?? "", yours: email.value() },
        ],
        take: () => {
          display.set(user.display_name ?? "");
          email.set(user.email ?? "");
        },
        focus: display.focus,
      };
    },
  });
  /** @type {Dialog<boolean>} */
  const dialog = openDialog({
    title: sentence`Name and address of ${username}`,
    content: changing.element,
    unsaved: changing.unsaved,
  });
  const done = await dialog.closed;
  if (done) toast(sentence`${username} is saved.`);
  return done === true;
}
