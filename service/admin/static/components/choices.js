// What comboboxes search for.

import { get } from "../api.js";
import { h, name } from "../dom.js";
import { grantee, identifierText } from "./labels.js";

const MOST = 8;

export async function searchUsers(text, signal) {
  const { users } = await get("/users", { name: text, page_size: MOST }, signal);
  return users.map(({ username }) => ({
    kind: "user",
    value: username,
    text: username,
    shown: grantee("user", username),
  }));
}

async function searchGroups(text, signal) {
  const { groups } = await get("/groups", { name: text, page_size: MOST }, signal);
  return groups.map((group) => ({
    kind: "group",
    value: group.name,
    text: group.name,
    shown: grantee("group", group.name),
  }));
}

/** Whom something can be granted to: groups first, as granting to groups is what lasts. */
export async function searchGrantees(text, signal) {
  return (await Promise.all([searchGroups(text, signal), searchUsers(text, signal)])).flat();
}

/** Pipelines of which the caller holds a permission. */
export const searchPipelines = (permission) => async (text, signal) => {
  const query = { name: text, page_size: MOST, permission: permission && `flow_pipeline:${permission}` };
  const { pipelines } = await get("/flow/pipeline", query, signal);
  return pipelines.map((pipeline) => ({
    value: pipeline.id,
    text: pipeline.name,
    pipeline,
    shown: h("span", { class: "two-lines" }, name(pipeline.name), identifierText(pipeline.id)),
  }));
};
