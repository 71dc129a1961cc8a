// The API's answers, as far as the admin page reads them. The type check reads this file; nothing serves it.

/** A date and time in ISO 8601, with an offset. */
export type Instant = string;

export interface Failure {
  msg: string;
  /** The name of the google.rpc.Code. */
  code: string;
  request_id?: string;
  details?: Details;
}

/** Reasons by field, as {"name": ["Longer than maximum length 100."]}. */
export type Details = Record<string, string[]>;

/** What every list has beside its items. */
export interface Page {
  next_page_token?: string;
}

/** What a list has beside that which was asked to be counted: one of both. */
export interface Total {
  total_size?: number;
  total_size_at_least?: number;
}

export interface Change {
  cursor: string;
  at: Instant;
  type: string;
  target: string;
  actor: string;
  /** More about it, by its type. */
  data: ChangeData;
}

/** What changes of one type or another have. */
export interface ChangeData {
  added: string[];
  removed: string[];
  pipeline_id?: string;
}

export interface ChangesFound {
  changes: Change[];
  next_cursor: string;
}

export interface User {
  username: string;
  role: string;
  disabled: boolean;
  created_at: Instant;
  display_name: string | null;
  email: string | null;
  /** True if an identity provider manages them by SCIM, and alone changes them. */
  provisioned?: true;
}

export interface Me extends User {
  groups: string[];
  /** The number of groups beyond those. */
  unlisted_groups?: number;
  /** Null for a token that may do all that its user may. */
  scopes: string[] | null;
  /** Absent by a token of the service's own. */
  identity_provider?: Provided;
}

/** What an identity provider's claims add for this caller alone. */
export interface Provided {
  issuer: string;
  groups: { name: string; mapped_from: string }[];
  role: string | null;
  role_mapped_from: string | null;
}

export interface Group {
  name: string;
  created_at: Instant;
  /** True if an identity provider manages it by SCIM, and alone changes its name and members. */
  provisioned?: true;
}

export interface Member {
  username: string;
  created_at: Instant;
}

export interface PipelineReference {
  id: string;
  name: string;
}

export interface PipelineItem extends PipelineReference {
  /** What the caller holds on it. */
  permissions: string[];
  is_manager: boolean;
}

export interface Pipeline extends PipelineItem {
  description: string;
  created_at: Instant;
  updated_at: Instant;
}

export interface Job {
  id: string;
  name: string;
  owner: string;
  created_at: Instant;
  /** Those of its pipelines that the caller may read, in the job's own order. */
  flow_pipeline_infos: PipelineReference[];
  /** The number of pipelines beyond those. */
  unlisted_pipelines?: number;
}

export interface QueuedJob {
  id: string;
  name: string;
  owner: string;
  assigned_at: Instant;
}

export type Grant = GrantTerms & ({ username: string; group: null } | { username: null; group: string });

export interface GrantTerms {
  permissions: string[];
  is_manager: boolean;
  expires_at: Instant | null;
}

/** A grant to a group, with the pipeline that it is on. */
export interface GroupGrant extends GrantTerms {
  pipeline: PipelineReference;
}

export interface UserAccess {
  username: string;
  permissions: string[];
  is_manager: boolean;
}

export interface Reason {
  through: "user" | "group" | "role";
  name: string;
  as_manager: boolean;
  expires_at: Instant | null;
  /** The identity provider's own name of the group or role; absent where it is the user's without that. */
  mapped_from?: string;
}

export interface Explanation {
  permission: string;
  held: boolean;
  reasons: Reason[];
  /** What would give it; null if it is held. */
  missing: string | null;
  /** The number of reasons beyond those. */
  unlisted?: number;
}

export interface Access extends UserAccess {
  explanations: Explanation[];
}

export interface Token {
  id: string;
  username: string;
  name: string;
  scopes: string[] | null;
  expires_at: Instant | null;
  created_at: Instant;
  last_used_at: Instant | null;
}

/** One token, as it is answered alone. */
export interface TokenAnswer {
  token: Token;
  /** How many good tokens would be revoked with it. */
  descendants: number;
}

/** A grant that a user keeps who is a member now. */
export interface KeptGrant extends PipelineItem {
  expires_at: Instant | null;
  /** The group of theirs that it is to; null if it is to the user. */
  group: string | null;
  by_themselves: boolean;
}

/** A user after a change. */
export interface UserAnswer {
  user: User;
  /** Told when they became a member, or grants were withdrawn from one. */
  keeps?: KeptGrant[];
  keeps_total?: number;
}

export interface AuditEntry {
  id: number;
  at: Instant;
  actor: string;
  token_id: string | null;
  action: string;
  target: string;
  before: Record<string, unknown> | null;
  after: Record<string, unknown> | null;
  request_id: string | null;
}

/** Things that need attention: one of the two numbers, the second where there may be more. */
export interface Finding {
  total_size?: number;
  total_size_at_least?: number;
}

export interface Ages {
  under_a_day: number;
  under_a_week: number;
  under_a_month: number;
  longer: number;
}

export interface Queue extends Finding {
  pipeline: PipelineReference;
  oldest_at: Instant;
  ages: Ages;
}

export interface Overview {
  unexecuted_pipelines: Finding & { pipelines: PipelineReference[] };
  ending_grants: Finding & {
    grants: { pipeline: PipelineReference; username: string | null; group: string | null; expires_at: Instant }[];
  };
  unused_tokens: Finding & { tokens: Omit<Token, "scopes" | "expires_at">[] };
  jobs_in_no_pipeline: Finding & { jobs: Omit<Job, "flow_pipeline_infos">[] };
  self_granted_managers: Finding & { managers: { username: string; pipeline: PipelineReference }[] };
  queues: Queue[];
}
