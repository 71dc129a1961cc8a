// How names, permissions and standings are shown everywhere.

import { h, name } from "../dom.js";
import { path } from "../api.js";
import { address } from "../router.js";
import { permissionWords } from "../words.js";
import { icon } from "./icons.js";

export const badge = (word, kind = "") => h("span", { class: `badge ${kind}` }, word);

/** What somebody may do: a manager's badge, or the permissions in words. */
export function standing({ permissions, is_manager: isManager }) {
  return isManager ? badge("Manager", "accent") : h("span", { class: "permissions" }, permissionWords(permissions));
}

export const identifierText = (text) => h("code", { class: "identifier" }, text);

export function pipelineLink({ id, name: text }) {
  return h("a", { href: address(path`/pipelines/${id}`), class: "title" }, name(text));
}

export function jobLink(id) {
  return h("a", { href: address(path`/jobs/${id}`), class: "title identifier" }, name(id));
}

/** A user or a group, told apart by its drawing and by a word. */
export function grantee(kind, text) {
  return h("span", { class: "grantee" }, icon(kind), h("span", { class: "visually-hidden" }, `${kind} `), name(text));
}
