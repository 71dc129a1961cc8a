// What the API names in codes, in words for people.

export const PERMISSIONS = [
  { value: "flow_pipeline:read", word: "Read", says: "See it and the jobs in its queue" },
  { value: "flow_pipeline:execute", word: "Execute", says: "Put jobs in and take them out" },
  { value: "flow_pipeline:write", word: "Write", says: "Rename and describe it" },
  { value: "flow_pipeline:delete", word: "Delete", says: "Delete it" },
  { value: "flow_pipeline:manage_pipelines", word: "Manage access", says: "Decide who may do what on it" },
];

export const SCOPES = [
  ...PERMISSIONS.map((permission) => ({ ...permission, says: `On pipelines: ${permission.says.toLowerCase()}` })),
  { value: "tokens", word: "Make tokens", says: "See, make and revoke tokens" },
  { value: "admin", word: "Administer", says: "What only administrators may do: users, groups, others' tokens, audit" },
];

export const ROLES = [
  { value: "member", word: "Member", says: "May do what is granted to them and to their groups" },
  {
    value: "pipeline_admin",
    word: "Pipeline administrator",
    says: "Creates pipelines, and is a manager of every pipeline",
  },
  {
    value: "admin",
    word: "Administrator",
    says: "Manages every pipeline, all users, groups and tokens, and sees every job",
  },
];

const SCOPE_WORDS = new Map(SCOPES.map(({ value, word }) => [value, word]));
const ROLE_WORDS = new Map(ROLES.map(({ value, word }) => [value, word]));

export const permissionWord = (value) => SCOPE_WORDS.get(value) ?? value;
export const roleWord = (value) => ROLE_WORDS.get(value) ?? value;

/** "Read, Execute", in the order of the table above. */
export function permissionWords(values) {
  return SCOPES.filter(({ value }) => values.includes(value))
    .map(({ word }) => word)
    .join(", ");
}

export const ACTIONS = new Map([
  ["pipeline.create", "created a pipeline"],
  ["pipeline.update", "changed a pipeline"],
  ["pipeline.delete", "deleted a pipeline"],
  ["grant.set", "gave access"],
  ["grant.revoke", "took access back"],
  ["job.create", "registered a job"],
  ["job.update", "changed a job"],
  ["job.update_pipelines", "changed a job's pipelines"],
  ["job.delete", "forgot a job"],
  ["user.create", "created a user"],
  ["user.update", "changed a user"],
  ["group.create", "created a group"],
  ["group.update", "renamed a group"],
  ["group.delete", "deleted a group"],
  ["group.add_member", "added a member"],
  ["group.remove_member", "removed a member"],
  ["token.create", "made a token"],
  ["token.revoke", "revoked a token"],
]);
