// Many users at once, pasted as names or as a CSV.

import { post } from "../api.js";
import { pagesOf } from "../components/listing.js";
import { askForLines, byHeader } from "../components/paste.js";
import { fetchAll } from "../components/selection.js";
import { chunks, workThrough } from "../components/work.js";
import { count } from "../dom.js";
import { ROLES, roleLabel } from "../labels.js";

/** @import { User } from "../../answers.d.ts" */
/** @import { Entry } from "../components/paste.js" */

/** @typedef {{username: string, role: string, display_name: string | null, email: string | null}} NewUser */

const COLUMNS = ["username", "role", "display_name", "email"];
const USERNAME = /^[A-Za-z0-9_.@-]{1,100}$/;
const MAX_USERS = 20_000;
const LANES = 4; // requests at a time

/** Create users that are pasted; return whether any was created. */
export async function createUsers() {
  /** @type {User[]} */
  const users = await fetchAll(pagesOf("/users", "users"), MAX_USERS);
  const there = new Set(users.map(({ username }) => username.toLowerCase()));
  /** @type {NewUser[] | null} */
  const wanted = await askForLines({
    title: "Create many users",
    label: "Usernames, or a CSV",
    hint: "A username a line; or username, role, display name and email, in this order or named in the first line.",
    noun: "user",
    doing: "to create",
    submit: "Create them",
    read: (rows) => entriesOf(rows, there),
  });
  if (!wanted) return false;
  const done = await workThrough({
    title: "Creating users",
    noun: "user",
    parts: chunks(wanted, 1),
    lanes: LANES,
    name: ({ username }) => username,
    run: async ([user]) => {
      await post("/users", user);
      return [];
    },
    said: (number) =>
      `${count(number, "user")} ${number === 1 ? "is" : "are"} created. Make tokens so that they can sign in.`,
    undo: null,
  });
  return done > 0;
}

/**
 * @param {string[][]} rows
 * @param {Set<string>} there
 */
function entriesOf(rows, there) {
  const named = byHeader(rows, COLUMNS) ?? rows.map((cells) => inColumns(cells));
  /** @type {Set<string>} */
  const seen = new Set();
  return named.map((row) => entryOf(row, there, seen));
}

/** @param {string[]} cells */
const inColumns = (cells) => Object.fromEntries(COLUMNS.map((name, index) => [name, cells[index] ?? ""]));

/**
 * @param {Record<string, string>} row
 * @param {Set<string>} there
 * @param {Set<string>} seen
 * @returns {Entry<NewUser>}
 */
function entryOf({ username = "", role: said = "", display_name: display = "", email = "" }, there, seen) {
  const key = username.toLowerCase();
  const role = roleOf(said);
  const wrong = (/** @type {string} */ says) => ({ text: username || said, says, value: null, wrong: true });
  if (!USERNAME.test(username)) return wrong("Usernames have letters, digits and _ . @ -");
  if (!role) return wrong(`There is no role ${said}`);
  if (there.has(key)) return { text: username, says: "exists already", value: null };
  if (seen.has(key)) return { text: username, says: "is named above already", value: null };
  seen.add(key);
  const known = [roleLabel(role), display, email].filter(Boolean).join(", ");
  return {
    text: username,
    says: `will be created: ${known}`,
    value: { username, role, display_name: display || null, email: email || null },
  };
}

/**
 * Return the role of a word or a label; a member's of none.
 *
 * @param {string} said
 */
const roleOf = (said) =>
  said ? ROLES.find(({ value, label }) => [value, label.toLowerCase()].includes(said.toLowerCase()))?.value : "member";
