// The terms of a grant: which permissions, whether as a manager, and until when.

import { path } from "../api.js";
import { expiryField } from "../components/expiry.js";
import { checkField, choicesField } from "../components/fields.js";
import { PERMISSIONS, permissionLabels } from "../labels.js";

/** @import { GrantTerms, Instant, Pipeline } from "../../answers.d.ts" */

export const USUAL = ["flow_pipeline:read", "flow_pipeline:execute"];

/**
 * @param {string} where
 * @param {"user" | "group"} kind
 * @param {string} name
 */
export const grantPath = (where, kind, name) =>
  where + (kind === "group" ? path`/grants/groups/${name}` : path`/grants/users/${name}`);

/**
 * Return the values of the fields as what is to be granted.
 *
 * @param {Record<string, unknown>} values
 * @returns {GrantTerms}
 */
export const termsOf = ({ permissions, is_manager: isManager, expires_at: expires }) => ({
  permissions: /** @type {string[]} */ (permissions),
  is_manager: isManager === true,
  expires_at: /** @type {Instant | null} */ (expires),
});

/** @typedef {ReturnType<typeof grantFields>} GrantFields */

/**
 * Make the fields of a grant. What the caller does not hold is not offered, as the API would refuse it.
 *
 * @param {Pick<Pipeline, "permissions" | "is_manager">} pipeline
 * @param {GrantTerms} granted
 */
export function grantFields(pipeline, granted) {
  const offered = PERMISSIONS.filter(({ value }) => pipeline.permissions.includes(value));
  const permissions = choicesField(
    "permissions",
    "Permissions",
    offered.map((each, index) => ({ ...each, always: index === 0 })),
    { value: granted.permissions },
  );
  const manager = pipeline.is_manager
    ? checkField("is_manager", "Manager", {
        value: granted.is_manager,
        hint: "Holds all of these, and may make and unmake managers",
      })
    : null;
  const expiry = expiryField("expires_at", "Access ends", { value: granted.expires_at });
  const follow = () => {
    for (const [index, box] of permissions.boxes.entries()) box.disabled = index === 0 || Boolean(manager?.value());
  };
  manager?.control.addEventListener("change", follow);
  follow();
  const lost = granted.permissions.filter((each) => !pipeline.permissions.includes(each));
  return {
    all: [permissions, ...(manager ? [manager] : []), expiry],
    permissions,
    manager,
    expiry,
    note:
      lost.length > 0 &&
      `They also hold ${permissionLabels(lost)}. You can't grant what you don't hold, so saving takes that away.`,
    focus: permissions.focus,
    set: (/** @type {GrantTerms | null} */ grant) => {
      permissions.set(grant?.permissions ?? []);
      manager?.set(grant?.is_manager ?? false);
      expiry.set(grant?.expires_at ?? null);
      follow();
    },
  };
}
