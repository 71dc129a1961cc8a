// When somebody leaves: their access ends at once, and their jobs go to somebody else.

import { call, get, path, remove } from "../api.js";
import { isCaller } from "../caller.js";
import { searchUsers } from "../components/choices.js";
import { comboField } from "../components/combobox.js";
import { confirmDialog } from "../components/confirm.js";
import { pagesOf } from "../components/listing.js";
import { fetchAll } from "../components/selection.js";
import { toast } from "../components/toast.js";
import { chunks, workThrough } from "../components/work.js";
import { count, name, sentence, together } from "../dom.js";
import { caller } from "../session.js";
import { present } from "./user_dialogs.js";

/** @import { Group, Job, PipelineItem, Total, User } from "../../answers.d.ts" */
/** @import { Work } from "../components/work.js" */

const MAX_JOBS = 10_000;
const MAX_COUNTED = 10_000; // pipelines
const LANES = 4; // requests at a time
const MAX_NAMED = 8;

/**
 * What a user has, and loses.
 *
 * @typedef {object} Having
 * @property {string | null} tag
 * @property {PipelineItem[]} pipelines that they can reach
 * @property {Group[]} groups the first of them
 * @property {number} groupCount
 * @property {number} tokens
 * @property {number} jobs
 */

/**
 * Disable a user and hand their jobs over, in one step; return whether they were disabled.
 *
 * @param {User} user
 */
export async function handOver({ username }) {
  const having = await lookUp(username);
  const heir = heirField(having.jobs, "jobs_to");
  let to = "";
  const done = await confirmDialog({
    title: "Disable and hand over?",
    intro: sentence`${username} is refused from the next request on, and can reach nothing until enabled again.`,
    consequences: [...losses(having), "Their groups and grants are kept, for when they are enabled again."],
    fields: heir,
    submit: "Disable and hand over",
    run: async ({ jobs_to: wanted = "" }) => {
      to = String(wanted);
      if (to) await get(path`/users/${to}`); // or they would be disabled, and nobody there to take the jobs
      await call("PATCH", path`/users/${username}`, { body: { disabled: true }, ifMatch: having.tag });
    },
    blame: { NOT_FOUND: "jobs_to" },
  });
  if (!done) return false;
  toast(sentence`${username} is disabled.`);
  if (to) {
    /** @type {Job[]} */
    const jobs = await fetchAll(
      pagesOf("/jobs", "jobs", () => ({ owner: username })),
      MAX_JOBS,
    );
    await workThrough(
      handing(
        jobs.map(({ id }) => id),
        username,
        to,
      ),
    );
  }
  return true;
}

/**
 * Delete a user, after telling what is lost; return whether they were deleted.
 *
 * @param {User} user
 */
export async function deleteUser({ username }) {
  const having = await lookUp(username);
  const done = await confirmDialog({
    title: "Delete this user?",
    intro: sentence`${username} is gone for good. Nobody else ever gets the name. This can't be undone.`,
    consequences: [...losses(having), "All that was granted to them ends, and they leave their groups."],
    fields: heirField(having.jobs, "jobs_to"),
    submit: "Delete user",
    run: ({ jobs_to: to = "" }) =>
      remove(path`/users/${username}`, { query: { jobs_to: String(to) }, ifMatch: having.tag }),
    blame: { NOT_FOUND: "jobs_to" },
  });
  if (done) toast(sentence`${username} is deleted.`);
  return done;
}

/**
 * Make the field of who gets the jobs, if there are any: the caller, unless they choose somebody else.
 *
 * @param {number} jobs
 * @param {string} field
 */
function heirField(jobs, field) {
  const { username } = caller();
  const hint = jobs === 1 ? "1 job is theirs." : `${count(jobs, "job")} are theirs.`;
  return jobs > 0
    ? [comboField(field, "Their jobs go to", { search: searchUsers, hint, value: { value: username, text: username } })]
    : [];
}

/**
 * @param {string} username
 * @returns {Promise<Having>}
 */
async function lookUp(username) {
  const where = path`/users/${username}`;
  const few = { page_size: MAX_NAMED, total: "true" };
  /** @type {[Promise<PipelineItem[]>, Promise<Total & {groups: Group[]}>, Promise<Total>, Promise<Total>]} */
  const asked = [
    fetchAll(pagesOf(`${where}/pipelines`, "pipelines"), MAX_COUNTED),
    get(`${where}/groups`, few),
    get("/tokens", { username, ...few }),
    get("/jobs", { owner: username, ...few }),
  ];
  const [{ tag }, pipelines, groups, tokens, jobs] = await Promise.all([present(where), ...asked]);
  return {
    tag,
    pipelines,
    groups: groups.groups,
    groupCount: sizeOf(groups),
    tokens: sizeOf(tokens),
    jobs: sizeOf(jobs),
  };
}

/** @param {Total} total */
const sizeOf = ({ total_size: size, total_size_at_least: atLeast }) => size ?? atLeast ?? 0;

/**
 * Name the first of some, and count the others.
 *
 * @param {{name: string}[]} some
 * @param {number} number of all of them
 */
function someNamed(some, number) {
  const first = some.slice(0, MAX_NAMED).map((each) => name(each.name));
  const rest = number - first.length;
  return rest > 0 ? [...first, count(rest, "more", "more")] : first;
}

/** @param {Having} having */
function losses({ pipelines, groups, groupCount, tokens }) {
  const reached = someNamed(pipelines, pipelines.length);
  const named = someNamed(groups, groupCount);
  return [
    reached.length > 0 ? ["They lose ", together(reached), "."] : "They can reach no pipeline.",
    named.length > 0 && ["They are in ", together(named), "."],
    tokens === 0
      ? "They have no token."
      : `${count(tokens, "token")} of theirs ${tokens === 1 ? "stops" : "stop"} working.`,
  ];
}

/**
 * @param {string[]} jobs
 * @param {string} from
 * @param {string} to
 * @returns {Work<string>}
 */
function handing(jobs, from, to) {
  /** @type {string[]} */
  const done = [];
  return {
    title: "Handing jobs over",
    noun: "job",
    parts: chunks(jobs, 1),
    lanes: LANES,
    name: (id) => id,
    run: async ([id]) => {
      await call("PUT", path`/jobs/${id}`, { body: { owner: to } });
      done.push(id);
      return [];
    },
    said: (number) =>
      sentence`${[count(number, "job")]} of ${from} ${[number === 1 ? "is" : "are"]} now ${[isCaller(to) ? "yours" : `${to}'s`]}.`,
    undo: () => handing(done, to, from),
  };
}
