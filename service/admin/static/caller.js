// What the caller may do apart from pipelines, where the API's answers say it by `permissions` and `is_manager`.
// It decides only what is offered; whether it is done, the API decides.

import { session } from "./session.js";

const inScope = (scope) => session.me.scopes === null || session.me.scopes.includes(scope);

export const isAdministrator = () => session.me.role === "admin" && inScope("admin");
export const mayCreatePipelines = () => session.me.role !== "member" && inScope("flow_pipeline:manage_pipelines");
export const mayUseTokens = () => inScope("tokens");
export const isCaller = (username) => username.toLowerCase() === session.me.username.toLowerCase();

/** Whether they may change or forget a job. */
export const mayChangeJob = (job) =>
  inScope("flow_pipeline:execute") && (isCaller(job.owner) || session.me.role === "admin");

/** Whether they see every pipeline, and so every pipeline that a job is in. */
export const seesEveryPipeline = () => session.me.role !== "member" && inScope("flow_pipeline:read");

/** Whether they may do something on a pipeline. */
export const may = (pipeline, permission) => pipeline.permissions.includes(`flow_pipeline:${permission}`);
