// Each change in the audit trail as a sentence. An action without one is shown as it is written.

import { path } from "../api.js";
import { breakable, count, h, name, sentence, together } from "../dom.js";
import { permissionLabel } from "../labels.js";
import { address } from "../router.js";
import { time } from "../time.js";
import { differs, parted, textOf, textsOf } from "./states.js";

/** @import { AuditEntry } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { ShowPipeline } from "./names.js" */
/** @import { State } from "./states.js" */

/**
 * What a sentence is made of.
 *
 * @typedef {object} Told
 * @property {string} actor
 * @property {ReturnType<typeof parted>} target
 * @property {State} before
 * @property {State} after
 * @property {ShowPipeline} pipeline
 */

const MAX_NAMED = 3;
const READ = "flow_pipeline:read";

/**
 * Tell a change: "ada gave reviewers Execute on Invoices".
 *
 * @param {AuditEntry} entry
 * @param {ShowPipeline} pipeline
 */
export function tell(entry, pipeline) {
  const { actor, action, target, before, after } = entry;
  const told = { actor, target: parted(target), before, after, pipeline };
  const verb = SENTENCES.get(action)?.(told) ?? raw(action, target);
  return h("p", { class: "sentence" }, actor === COMMAND_LINE ? name(actor) : user(actor), " ", verb);
}

const COMMAND_LINE = "command line";

/**
 * @param {string} action
 * @param {string} target
 */
const raw = (action, target) => [
  h("code", { class: "identifier" }, breakable(action)),
  " ",
  h("code", { class: "identifier" }, breakable(target)),
];

/** @param {string} text */
const user = (text) => h("a", { href: address(path`/users/${text}`) }, name(text));

/** @param {string} text */
const group = (text) => h("a", { href: address(path`/groups/${text}`) }, name(text));

/** @param {string} id */
const job = (id) => h("a", { href: address(path`/jobs/${id}`), class: "identifier" }, breakable(id));

/** @param {Told} told */
const grantee = ({ actor, target }) =>
  target.granteeKind === "group"
    ? group(target.grantee)
    : target.grantee === actor
      ? "themselves"
      : user(target.grantee);

/**
 * Say what a grant gives. Read is a part of each, and named only where it is all.
 *
 * @param {State} state
 */
function held(state) {
  if (state?.is_manager === true) return "a manager's standing";
  const permissions = textsOf(state, "permissions");
  const more = permissions.filter((each) => each !== READ);
  return together((more.length > 0 ? more : permissions).map(permissionLabel));
}

/** @param {State} state */
function until(state) {
  const end = textOf(state, "expires_at");
  return end ? [" until ", time(end)] : [];
}

/** @param {Told} told */
function setGrant(told) {
  const { before, after, target } = told;
  const to = grantee(told);
  const on = told.pipeline(target.pipeline);
  if (!after) return null;
  const same = before && !differs(before, after, "permissions") && !differs(before, after, "is_manager");
  if (same && textOf(after, "expires_at"))
    return [sentence`let what ${to} may do on ${on} end at `, time(textOf(after, "expires_at"))];
  if (same) return sentence`let what ${to} may do on ${on} go on without an end`;
  const instead = before ? [" in place of ", held(before)] : [];
  if (after.is_manager !== true) return [sentence`gave ${to} ${held(after)} on ${on}`, until(after), instead];
  const managers = target.granteeKind === "group" ? "managers" : "a manager";
  return [sentence`made ${to} `, managers, sentence` of ${on}`, until(after), instead];
}

/** @param {Told} told */
const revokeGrant = (told) => [
  "took ",
  held(told.before),
  sentence` on ${told.pipeline(told.target.pipeline)} back from ${grantee(told)}`,
];

/** @param {Told} told */
const itself = ({ target, before, after, pipeline }) =>
  pipeline(target.key, textOf(after, "name") || textOf(before, "name"));

/** @param {Told} told */
function updatePipeline(told) {
  const { before, after, target, pipeline } = told;
  const renamed = differs(before, after, "name");
  const described = differs(before, after, "description");
  if (!renamed) return sentence`changed the description of ${itself(told)}`;
  return [
    sentence`renamed the pipeline ${textOf(before, "name")} to ${pipeline(target.key, textOf(after, "name"))}`,
    described && " and changed its description",
  ];
}

/**
 * Name some pipelines, and count the others.
 *
 * @param {string[]} ids
 * @param {Told["pipeline"]} pipeline
 */
function pipelines(ids, pipeline) {
  /** @type {Child[]} */
  const shown = ids.slice(0, MAX_NAMED).map((id) => pipeline(id));
  const more = ids.length - shown.length;
  return together(more > 0 ? [...shown, count(more, "more", "more")] : shown);
}

/** @param {Told} told */
function moveJob({ before, after, target, pipeline }) {
  const [was, is] = [textsOf(before, "pipeline_ids"), textsOf(after, "pipeline_ids")];
  const [old, now] = [new Set(was), new Set(is)];
  const added = is.filter((id) => !old.has(id));
  const removed = was.filter((id) => !now.has(id));
  const it = job(target.key);
  if (added.length === 0 && removed.length === 0) return sentence`put the pipelines of job ${it} in another order`;
  if (added.length === 0) return sentence`took job ${it} out of ${pipelines(removed, pipeline)}`;
  if (removed.length === 0) return sentence`put job ${it} into ${pipelines(added, pipeline)}`;
  return sentence`moved job ${it} from ${pipelines(removed, pipeline)} to ${pipelines(added, pipeline)}`;
}

/** @param {Told} told */
function createJob({ actor, target, after }) {
  const owner = textOf(after, "owner");
  return [sentence`registered job ${job(target.key)}`, owner && owner !== actor && sentence` for ${user(owner)}`];
}

/** @param {Told} told */
function updateJob({ before, after, target }) {
  const [named, owner] = [textOf(after, "name"), textOf(after, "owner")];
  const renames = named
    ? sentence`named job ${job(target.key)} ${named}`
    : sentence`took the name of job ${job(target.key)} away`;
  const gives = sentence`gave job ${job(target.key)} to ${user(owner)}`;
  return together([
    ...(differs(before, after, "name") ? [renames] : []),
    ...(differs(before, after, "owner") ? [gives] : []),
  ]);
}

/** @type {Record<string, string>} */
const AS = { member: "a member", pipeline_admin: "a pipeline administrator", admin: "an administrator" };

/** @param {State} state */
const role = (state) => AS[textOf(state, "role")] ?? textOf(state, "role");

/** @param {Told} told */
function createUser({ target, after }) {
  return [sentence`created the user ${user(target.key)}`, textOf(after, "role") !== "member" && `, ${role(after)}`];
}

/** @param {Told} told */
function updateUser({ target, before, after }) {
  const who = user(target.key);
  const parts = [
    differs(before, after, "role") && sentence`made ${who} ${[role(after)]}`,
    differs(before, after, "disabled") && sentence`${[after?.disabled ? "disabled" : "enabled"]} ${user(target.key)}`,
    differs(before, after, "display_name") && sentence`changed the display name of ${user(target.key)}`,
    differs(before, after, "email") && sentence`changed the email of ${user(target.key)}`,
    ...managed(before, after, user(target.key)),
  ];
  return together(parts.filter(Boolean));
}

/** @param {Told} told */
function updateGroup({ target, before, after }) {
  const renamed =
    differs(before, after, "name") && sentence`renamed the group ${target.key} to ${group(textOf(after, "name"))}`;
  return together([renamed, ...managed(before, after, group(target.key))].filter(Boolean));
}

/**
 * Tell what provisioning began or ceased to manage.
 *
 * @param {State} before
 * @param {State} after
 * @param {Node} which
 * @returns {Child[]}
 */
function managed(before, after, which) {
  return [
    differs(before, after, "provisioned") &&
      (after?.provisioned ? sentence`let provisioning manage ${which}` : sentence`released ${which} from provisioning`),
    differs(before, after, "external_id") &&
      Boolean(before?.provisioned && after?.provisioned) &&
      sentence`changed the id that provisioning knows ${which} by`,
  ];
}

/**
 * Tell a deletion; where very much went along, more rows of the trail list it.
 *
 * @param {Told} told
 * @param {string} kind
 * @param {Child} which
 * @param {string} always a field that only the first of these rows has
 */
function deletion({ before }, kind, which, always) {
  const heir = textOf(before, "jobs_to");
  return [
    `deleted the ${kind} `,
    which,
    heir && sentence`, whose jobs went to ${user(heir)}`,
    before?.[always] === undefined && ": more of what went along",
  ];
}

/** @param {Told} told */
function handOver({ before, after }) {
  const jobs = count(textsOf(before, "job_ids").length, "job");
  return sentence`handed ${[jobs]} of ${user(textOf(before, "owner"))} over to ${user(textOf(after, "owner"))}`;
}

/**
 * @param {Told} told
 * @param {State} state
 */
function token({ actor }, state) {
  const [owner, named] = [textOf(state, "username"), textOf(state, "name")];
  const own = owner === actor || !owner;
  if (!named) return own ? "a token of theirs" : sentence`a token of ${user(owner)}`;
  return own ? sentence`their token ${named}` : sentence`the token ${named} of ${user(owner)}`;
}

/** @param {Told} told */
function createToken({ actor, after }) {
  const [owner, named] = [textOf(after, "username"), textOf(after, "name")];
  return [
    named ? sentence`made the token ${named}` : "made a token",
    owner && owner !== actor && sentence` for ${user(owner)}`,
  ];
}

/** @type {Record<string, [one: string, many: string]>} */
const IMPORTED = {
  memberships: ["membership", "memberships"],
  identity_links: ["link to an identity provider", "links to an identity provider"],
  provisioned_users: ["user managed by provisioning", "users managed by provisioning"],
  provisioned_groups: ["group managed by provisioning", "groups managed by provisioning"],
  user_grants: ["grant to a user", "grants to users"],
  group_grants: ["grant to a group", "grants to groups"],
};

/**
 * @param {string} table
 * @param {number} number
 */
function imported(table, number) {
  const [one, many] = IMPORTED[table] ?? [table.replace(/s$/, ""), table];
  return count(number, one.replaceAll("_", " "), many.replaceAll("_", " "));
}

/** @param {string} table */
const importOf =
  (table) =>
  (/** @type {Told} */ { after }) => {
    const rows = after?.[table];
    return Array.isArray(rows) ? [`imported ${imported(table, rows.length)}`] : null;
  };

/** @param {Told} told */
function importAll({ after }) {
  const written = after?.written;
  if (typeof written !== "object" || written === null) return null;
  const counted = Object.entries(written).map(([table, number]) => imported(table, Number(number)));
  return ["imported ", together(counted)];
}

/** @type {Map<string, (told: Told) => Child[] | null>} by action; null where the states do not say enough */
const SENTENCES = new Map([
  ["pipeline.create", (told) => sentence`created the pipeline ${itself(told)}`],
  ["pipeline.update", updatePipeline],
  ["pipeline.delete", (told) => deletion(told, "pipeline", itself(told), "name")],
  ["grant.set", setGrant],
  ["grant.revoke", revokeGrant],
  ["job.create", createJob],
  ["job.update", updateJob],
  ["job.update_pipelines", moveJob],
  ["job.delete", ({ target }) => sentence`forgot job ${job(target.key)}`],
  ["user.create", createUser],
  ["user.update", updateUser],
  ["user.delete", (told) => deletion(told, "user", user(told.target.key), "role")],
  ["user.hand_over_jobs", handOver],
  [
    "user.delete_tokens",
    ({ target, before }) => {
      const tokens = Array.isArray(before?.tokens) ? before.tokens.length : 0;
      return sentence`deleted ${[count(tokens, "token")]} of ${user(target.key)}, or made with theirs`;
    },
  ],
  [
    "user.link",
    ({ target, after }) =>
      sentence`linked ${user(target.key)} to ${textOf(after, "subject")} of ${textOf(after, "issuer")}`,
  ],
  [
    "user.unlink",
    ({ target, before }) =>
      sentence`unlinked ${user(target.key)} from ${textOf(before, "subject")} of ${textOf(before, "issuer")}`,
  ],
  ["group.create", ({ target }) => sentence`created the group ${group(target.key)}`],
  ["group.update", updateGroup],
  ["group.delete", (told) => deletion(told, "group", name(told.target.key), "name")],
  [
    "group.add_member",
    ({ target, after }) => sentence`added ${user(textOf(after, "member"))} to the group ${group(target.key)}`,
  ],
  [
    "group.remove_member",
    ({ target, before }) => sentence`took ${user(textOf(before, "member"))} out of the group ${group(target.key)}`,
  ],
  ["token.create", createToken],
  ["token.rotate", (told) => sentence`replaced ${[token(told, told.before)]} by a new one`],
  ["token.revoke", (told) => sentence`revoked ${[token(told, told.before)]}`],
  ["token.keep", () => ["kept a token when the one that it was made with was revoked"]],
  ["token.bound", () => ["narrowed a token to the one that it was made with"]],
  ["organization.create", ({ after }) => sentence`created the organization ${textOf(after, "name")}`],
  ["import", importAll],
  ["import.users", importOf("users")],
  ["import.pipelines", importOf("pipelines")],
  ["import.tokens", importOf("tokens")],
  ["import.identity_links", importOf("identity_links")],
  ["import.memberships", importOf("memberships")],
  ["import.user_grants", importOf("user_grants")],
  ["import.group_grants", importOf("group_grants")],
]);
