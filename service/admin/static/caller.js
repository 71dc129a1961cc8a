// What the caller may do apart from pipelines, where the API's answers say it by `permissions` and `is_manager`.
// It decides only what is offered; the API decides what is done.

import { caller } from "./session.js";

/** @import { Job, PipelineItem } from "../answers.d.ts" */

/** @param {string} scope */
function inScope(scope) {
  const { scopes } = caller();
  return scopes === null || scopes.includes(scope);
}

export const isAdministrator = () => caller().role === "admin" && inScope("admin");
export const mayCreatePipelines = () => caller().role !== "member" && inScope("flow_pipeline:manage_pipelines");
export const mayUseTokens = () => inScope("tokens");

/** @param {string} username */
export const isCaller = (username) => username.toLowerCase() === caller().username.toLowerCase();

/**
 * Return whether the caller may see the page of a user.
 *
 * @param {string} username
 */
export const maySeeUser = (username) => isAdministrator() || isCaller(username);

/**
 * Return whether the caller may change or forget a job.
 *
 * @param {Job} job
 */
export const mayChangeJob = (job) =>
  inScope("flow_pipeline:execute") && (isCaller(job.owner) || caller().role === "admin");

/** Return whether the caller sees every pipeline, and so every pipeline that a job is in. */
export const seesEveryPipeline = () => caller().role !== "member" && inScope("flow_pipeline:read");

/**
 * Return whether the caller holds a permission on a pipeline.
 *
 * @param {PipelineItem} pipeline
 * @param {string} permission
 */
export const may = (pipeline, permission) => pipeline.permissions.includes(`flow_pipeline:${permission}`);
