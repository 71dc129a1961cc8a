// Many members of a group at once: pasted, or selected.

import { call, path } from "../api.js";
import { pagesOf } from "../components/listing.js";
import { askForLines, byHeader } from "../components/paste.js";
import { fetchAll } from "../components/selection.js";
import { chunks, workThrough } from "../components/work.js";
import { count, sentence } from "../dom.js";

/** @import { Member, User } from "../../answers.d.ts" */
/** @import { Entry } from "../components/paste.js" */
/** @import { Work } from "../components/work.js" */

const MAX_USERS = 20_000;
const PART = 200; // names, of which one that is unknown would refuse all

/**
 * Add members by their names, which are pasted; return whether any was added.
 *
 * @param {string} group
 */
export async function pasteMembers(group) {
  const [users, members] = await Promise.all([
    fetchAll(/** @type {import("../components/listing.js").FetchPage<User>} */ (pagesOf("/users", "users")), MAX_USERS),
    fetchAll(
      /** @type {import("../components/listing.js").FetchPage<Member>} */ (
        pagesOf(path`/groups/${group}/members`, "members")
      ),
      MAX_USERS,
    ),
  ]);
  const known = new Map(
    users.flatMap(({ username, email }) => [
      ...(email ? [/** @type {[string, string]} */ ([email.toLowerCase(), username])] : []),
      /** @type {[string, string]} */ ([username.toLowerCase(), username]),
    ]),
  );
  const inIt = new Set(members.map(({ username }) => username));
  const names = await askForLines({
    title: sentence`Add members to ${group}`,
    label: "Usernames or emails",
    hint: "One or more a line, or a CSV with a column username or email.",
    noun: "member",
    doing: "to add",
    submit: "Add them",
    read: (rows) => entriesOf(namesOf(rows), known, inIt),
  });
  return names !== null && (await addMembers(group, names));
}

/** @param {string[][]} rows */
function namesOf(rows) {
  const named = byHeader(rows, ["username", "email"]);
  return named ? named.map((row) => row.username || row.email || "") : rows.flat().filter(Boolean);
}

/**
 * @param {string[]} names
 * @param {Map<string, string>} known
 * @param {Set<string>} inIt
 * @returns {Entry<string>[]}
 */
function entriesOf(names, known, inIt) {
  /** @type {Set<string>} */
  const seen = new Set();
  return names.map((text) => {
    const username = known.get(text.toLowerCase());
    if (!username) return { text, says: "There is no such user", value: null, wrong: true };
    if (inIt.has(username)) return { text, says: "is in it already", value: null };
    if (seen.has(username)) return { text, says: "is named above already", value: null };
    seen.add(username);
    return { text, says: text === username ? "will be added" : `is ${username}, and will be added`, value: username };
  });
}

/**
 * Put users into a group, with the way back; return whether any was put in.
 *
 * @param {string} group
 * @param {string[]} usernames
 */
export async function addMembers(group, usernames) {
  return (await workThrough(memberWork(group, "add", usernames))) > 0;
}

/**
 * Take users out of a group, with the way back; return whether any was taken out.
 *
 * @param {string} group
 * @param {string[]} usernames
 */
export async function removeMembers(group, usernames) {
  return (await workThrough(memberWork(group, "remove", usernames))) > 0;
}

/**
 * @param {string} group
 * @param {"add" | "remove"} how
 * @param {string[]} usernames
 * @returns {Work<string>}
 */
function memberWork(group, how, usernames) {
  /** @type {string[]} */
  const changed = [];
  return {
    title: how === "add" ? "Adding members" : "Taking members out",
    noun: "user",
    parts: chunks(usernames, PART),
    name: (username) => username,
    run: async (part) => {
      /** @type {{body: {added: string[], removed: string[]}}} */
      const { body } = await call("PATCH", path`/groups/${group}/members`, { body: { [how]: part } });
      changed.push(...body.added, ...body.removed);
      return [];
    },
    said: (done) =>
      how === "add"
        ? sentence`${[count(changed.length, "user")]} came into ${group}${[others(done - changed.length, "in it already")]}.`
        : sentence`${[count(changed.length, "user")]} left ${group}${[others(done - changed.length, "not in it")]}.`,
    undo: () => (changed.length > 0 ? memberWork(group, how === "add" ? "remove" : "add", changed) : null),
  };
}

/**
 * @param {number} number
 * @param {string} were
 */
const others = (number, were) =>
  number > 0 ? `; ${number.toLocaleString("en")} ${number === 1 ? "was" : "were"} ${were}` : "";
