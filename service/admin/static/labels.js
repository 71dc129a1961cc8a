// Labels for people of what the API names by codes.

export const PERMISSIONS = [
  { value: "flow_pipeline:read", label: "Read", description: "See it and the jobs in its queue" },
  { value: "flow_pipeline:execute", label: "Execute", description: "Put jobs in and take them out" },
  { value: "flow_pipeline:write", label: "Write", description: "Rename and describe it" },
  { value: "flow_pipeline:delete", label: "Delete", description: "Delete it" },
  { value: "flow_pipeline:manage_pipelines", label: "Manage access", description: "Decide who may do what on it" },
];

export const SCOPES = [
  ...PERMISSIONS.map((permission) => ({
    ...permission,
    description: `On pipelines: ${permission.description.toLowerCase()}`,
  })),
  { value: "tokens", label: "Make tokens", description: "See, make and revoke tokens" },
  { value: "scim", label: "Provision (SCIM)", description: "Let an identity provider manage users and groups" },
  {
    value: "admin",
    label: "Administer",
    description: "What only administrators may do: users, groups, others' tokens, audit",
  },
];

export const ROLES = [
  { value: "member", label: "Member", description: "May do what is granted to them and to their groups" },
  {
    value: "pipeline_admin",
    label: "Pipeline administrator",
    description: "Creates pipelines, and is a manager of every pipeline",
  },
  {
    value: "admin",
    label: "Administrator",
    description: "Manages every pipeline, all users, groups and tokens, and sees every job",
  },
];

const SCOPE_LABELS = new Map(SCOPES.map(({ value, label }) => [value, label]));
const ROLE_LABELS = new Map(ROLES.map(({ value, label }) => [value, label]));

/** @param {string} value */
export const permissionLabel = (value) => SCOPE_LABELS.get(value) ?? value;

/** @param {string} value */
export const roleLabel = (value) => ROLE_LABELS.get(value) ?? value;

/**
 * List permissions as "Read, Execute", in the order of the table above.
 *
 * @param {string[]} values
 */
export function permissionLabels(values) {
  return SCOPES.filter(({ value }) => values.includes(value))
    .map(({ label }) => label)
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
  ["user.delete", "deleted a user"],
  ["user.hand_over_jobs", "handed a user's jobs over"],
  ["user.delete_tokens", "deleted tokens of a user"],
  ["user.link", "linked a user to an identity provider"],
  ["user.unlink", "unlinked a user from an identity provider"],
  ["group.create", "created a group"],
  ["group.update", "renamed a group"],
  ["group.delete", "deleted a group"],
  ["group.add_member", "added a member"],
  ["group.remove_member", "removed a member"],
  ["token.create", "made a token"],
  ["token.rotate", "replaced a token"],
  ["token.revoke", "revoked a token"],
  ["token.keep", "kept a token whose parent was revoked"],
  ["token.bound", "narrowed a token to its parent"],
  ["organization.create", "created an organization"],
  ["import", "imported records"],
  ["import.users", "imported users"],
  ["import.pipelines", "imported pipelines"],
  ["import.tokens", "imported tokens"],
  ["import.identity_links", "imported links to identity providers"],
  ["import.memberships", "imported members of groups"],
  ["import.user_grants", "imported access of users"],
  ["import.group_grants", "imported access of groups"],
]);
