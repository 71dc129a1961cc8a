// Why a user has the access to a pipeline that they have, permission by permission.

import { ApiError, get, path } from "../api.js";
import { icon } from "../components/icons.js";
import { groupLink } from "../components/inline.js";
import { h, name, sentence } from "../dom.js";
import { PERMISSIONS, permissionLabel, roleLabel } from "../labels.js";
import { time } from "../time.js";

/** @import { Access, Explanation, Reason } from "../../answers.d.ts" */

/**
 * Ask, and show the answer.
 *
 * @param {string} where the API's path of the pipeline
 * @param {string} username
 */
export async function why(where, username) {
  /** @type {Access} */
  let access;
  try {
    ({ access } = await get(where + path`/access/${username}`));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return h("div", { class: "notice error", role: "alert" }, icon("warning"), h("p", {}, error.message));
  }
  return h(
    "ul",
    { class: "why", "aria-label": "The answer" },
    inOrder(access.explanations).map((each) => explanationItem(access.username, each)),
  );
}

/**
 * Put explanations in order as everywhere on this page: from reading to managing.
 *
 * @param {Explanation[]} explanations
 */
const inOrder = (explanations) =>
  PERMISSIONS.flatMap(({ value, description }) =>
    explanations.filter(({ permission }) => permission === value).map((each) => ({ ...each, description })),
  );

/**
 * @param {string} username
 * @param {Explanation & {description: string}} explanation
 */
function explanationItem(username, { permission, description, held, reasons, missing, unlisted }) {
  return h(
    "li",
    { class: held ? "held" : "lacking" },
    icon(held ? "check" : "close"),
    h(
      "div",
      {},
      h(
        "p",
        { class: "why-title" },
        name(username),
        held ? " can " : " can't ",
        h("strong", {}, permissionLabel(permission)),
        h("span", { class: "muted" }, `: ${description.toLowerCase()}`),
      ),
      held
        ? h(
            "ul",
            {},
            reasons.map((reason) => h("li", {}, because(reason))),
            unlisted ? h("li", {}, `and ${unlisted.toLocaleString("en")} more.`) : null,
          )
        : h("p", { class: "muted" }, missing),
    ),
  );
}

/** @param {Reason} reason */
function because({ through, name: by, as_manager: asManager, expires_at: end, mapped_from: claimed }) {
  const given = asManager ? "made a manager" : "granted it";
  const role = roleLabel(by).toLowerCase();
  const because = {
    user: `because they were ${given} themselves`,
    group:
      claimed === undefined
        ? [...sentence`because they are in the group ${groupLink(by)}`, `, which was ${given}`]
        : [...sentence`through the identity provider's group ${claimed}, mapped to ${groupLink(by)}`, `, ${given}`],
    role:
      claimed === undefined
        ? `because they are ${role}, who manages every pipeline`
        : [...sentence`through the identity provider's role ${claimed}, mapped to `, `${role}, who manages every one`],
  }[through];
  return [because, end && [", until ", time(end)], "."];
}
