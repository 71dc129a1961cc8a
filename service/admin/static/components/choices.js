// What comboboxes search for.

import { get } from "../api.js";
import { h, name } from "../dom.js";
import { grantee, identifierText } from "./inline.js";

/** @import { Group, PipelineItem, User } from "../../answers.d.ts" */
/** @import { Choice } from "./listbox.js" */

/** @typedef {Choice & {kind: "user" | "group"}} GranteeChoice */
/** @typedef {Choice & {pipeline: PipelineItem}} PipelineChoice */

const MAX_CHOICES = 8;

/**
 * @param {string} text
 * @param {AbortSignal} signal
 * @returns {Promise<GranteeChoice[]>}
 */
export async function searchUsers(text, signal) {
  /** @type {{users: User[]}} */
  const { users } = await get("/users", { q: text, page_size: MAX_CHOICES }, signal);
  return users.map(({ username }) => granteeChoice("user", username));
}

/**
 * @param {string} text
 * @param {AbortSignal} signal
 * @returns {Promise<GranteeChoice[]>}
 */
export async function searchGroups(text, signal) {
  /** @type {{groups: Group[]}} */
  const { groups } = await get("/groups", { name: text, page_size: MAX_CHOICES }, signal);
  return groups.map((group) => granteeChoice("group", group.name));
}

/**
 * @param {"user" | "group"} kind
 * @param {string} text
 * @returns {GranteeChoice}
 */
const granteeChoice = (kind, text) => ({ kind, value: text, text, shown: grantee(kind, text) });

/**
 * Find what access can be given to: groups first, as granting to groups is what lasts.
 *
 * @param {string} text
 * @param {AbortSignal} signal
 */
export async function searchGrantees(text, signal) {
  return (await Promise.all([searchGroups(text, signal), searchUsers(text, signal)])).flat();
}

/**
 * Find pipelines on which the caller holds a permission.
 *
 * @param {string | null} permission null for any
 * @returns {(text: string, signal: AbortSignal) => Promise<PipelineChoice[]>}
 */
export const searchPipelines = (permission) => async (text, signal) => {
  const query = { name: text, page_size: MAX_CHOICES, permission: permission && `flow_pipeline:${permission}` };
  /** @type {{pipelines: PipelineItem[]}} */
  const { pipelines } = await get("/flow/pipeline", query, signal);
  return pipelines.map((pipeline) => ({
    value: pipeline.id,
    text: pipeline.name,
    pipeline,
    shown: h("span", { class: "two-lines" }, name(pipeline.name), identifierText(pipeline.id)),
  }));
};
