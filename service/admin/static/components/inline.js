// What stands within lines and cells everywhere: badges, identifiers, links, and the names of users and groups.

import { path } from "../api.js";
import { isAdministrator, maySeeUser } from "../caller.js";
import { breakable, h, name } from "../dom.js";
import { permissionLabels } from "../labels.js";
import { address } from "../router.js";
import { icon } from "./icons.js";

/** @import { PipelineReference } from "../../answers.d.ts" */

/**
 * @param {string} text
 * @param {string} [kind]
 */
export const badge = (text, kind = "") => h("span", { class: `badge ${kind}` }, text);

/**
 * Show what a user or a group may do: a manager's badge, or the permissions by their labels.
 *
 * @param {{permissions: string[], is_manager: boolean}} access
 */
export function standing({ permissions, is_manager: isManager }) {
  return isManager ? badge("Manager", "accent") : h("span", { class: "permissions" }, permissionLabels(permissions));
}

/** @param {string} text */
export const identifierText = (text) => h("code", { class: "identifier" }, breakable(text));

/** @param {PipelineReference} pipeline */
export function pipelineLink({ id, name: text }) {
  return h("a", { href: address(path`/pipelines/${id}`), class: "title" }, name(text));
}

/** @param {string} id */
export function jobLink(id) {
  return h("a", { href: address(path`/jobs/${id}`), class: "title identifier" }, name(id));
}

/**
 * Show a user or a group, told apart by its drawing and by a word.
 *
 * @param {"user" | "group"} kind
 * @param {string} text
 */
export function grantee(kind, text) {
  return h("span", { class: "grantee" }, icon(kind), h("span", { class: "visually-hidden" }, `${kind} `), name(text));
}

/**
 * Name a user, as a link to their page where the caller may see it.
 *
 * @param {string} username
 */
export const personLink = (username) =>
  maySeeUser(username)
    ? h("a", { class: "plain", href: address(path`/users/${username}`) }, name(username))
    : name(username);

/**
 * Name a group, likewise.
 *
 * @param {string} group
 */
export const groupLink = (group) =>
  isAdministrator() ? h("a", { class: "plain", href: address(path`/groups/${group}`) }, name(group)) : name(group);

/**
 * Show a user or a group as `grantee` does, and lead to its page.
 *
 * @param {"user" | "group"} kind
 * @param {string} text
 */
export function granteeLink(kind, text) {
  const link = kind === "user" ? personLink(text) : groupLink(text);
  return h("span", { class: "grantee" }, icon(kind), h("span", { class: "visually-hidden" }, `${kind} `), link);
}
