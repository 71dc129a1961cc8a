// What the states in the audit trail hold, read with care: rows of every version there ever was are in it.

/** @import { AuditEntry } from "../../answers.d.ts" */

/** @typedef {AuditEntry["before"]} State */

/**
 * @param {State} state
 * @param {string} field
 */
export function textOf(state, field) {
  const found = state?.[field];
  return typeof found === "string" ? found : "";
}

/**
 * @param {State} state
 * @param {string} field
 */
export function textsOf(state, field) {
  const found = state?.[field];
  return Array.isArray(found) ? found.filter((each) => typeof each === "string") : [];
}

/**
 * Return whether a field differs between before and after.
 *
 * @param {State} before
 * @param {State} after
 * @param {string} field
 */
export const differs = (before, after, field) => JSON.stringify(before?.[field]) !== JSON.stringify(after?.[field]);

/**
 * Part the target of an entry: a grant's has the pipeline and to whom it is.
 *
 * @param {string} target as "job:4711" or "grant:8c400d55-15d4-41f9-b306-ec2836898d83/user:ada"
 */
export function parted(target) {
  const [kind, key] = split(target, ":");
  const [pipeline, to] = split(key, "/");
  const [granteeKind, grantee] = split(to, ":");
  return { kind, key, pipeline, granteeKind, grantee };
}

/**
 * @param {string} text
 * @param {string} mark
 * @returns {[string, string]}
 */
function split(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
