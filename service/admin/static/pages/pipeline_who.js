// The access to one pipeline, whatever it comes from; and its explanation for one user.

import { ApiError, get, path } from "../api.js";
import { may } from "../caller.js";
import { searchUsers } from "../components/choices.js";
import { combobox } from "../components/combobox.js";
import { filters, selectFilter } from "../components/filters.js";
import { icon } from "../components/icons.js";
import { grantee, standing } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { empty } from "../components/states.js";
import { h, identifier, name, sentence } from "../dom.js";
import { PERMISSIONS, permissionLabel, roleLabel } from "../labels.js";
import { address, go } from "../router.js";
import { caller } from "../session.js";
import { time } from "../time.js";
import { pipelineView } from "./pipeline.js";

/** @import { Access, Explanation, Pipeline, Reason, UserAccess } from "../../answers.d.ts" */
/** @import { MakeFilter } from "../components/filters.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export const whoTab = (view) =>
  pipelineView(view, "who", async (pipeline, where) => {
    if (!may(pipeline, "manage_pipelines"))
      return [
        h("div", { class: "section-head" }, h("h2", {}, "What I can, and why")),
        await why(where, caller().username),
      ];
    const { username } = view.query;
    const answer = username && (await why(where, username));
    return [question(pipeline, username), answer, await everyone(view, pipeline, where)];
  });

/** @param {Pipeline} pipeline */
const whoPath = (pipeline) => path`/pipelines/${pipeline.id}/who`;

/**
 * @param {Pipeline} pipeline
 * @param {string | undefined} username
 */
function question(pipeline, username) {
  const box = combobox({
    label: "User",
    search: searchUsers,
    placeholder: "Username",
    value: username ? { value: username, text: username } : null,
    pick: (choice) => choice && go(address(whoPath(pipeline), { username: choice.value })),
  });
  box.input.id = identifier("user");
  const ask = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const choice = box.value();
    if (choice) go(address(whoPath(pipeline), { username: choice.value }));
  };
  return h(
    "div",
    { class: "section-head" },
    h("h2", {}, "Why can …?"),
    h(
      "form",
      { class: "ask", onsubmit: ask },
      h("label", { for: box.input.id }, "User"),
      box.element,
      h("button", { class: "button" }, "Explain"),
    ),
  );
}

/**
 * @param {string} where
 * @param {string} username
 */
async function why(where, username) {
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
function because({ through, name: by, as_manager: asManager, expires_at: end }) {
  const given = asManager ? "made a manager" : "granted it";
  const because = {
    user: `because they were ${given} themselves`,
    group: [...sentence`because they are in the group ${by}`, `, which was ${given}`],
    role: `because they are ${roleLabel(by).toLowerCase()}, who manages every pipeline`,
  }[through];
  return [because, end && [", until ", time(end)], "."];
}

/**
 * @param {View} view
 * @param {Pipeline} pipeline
 * @param {string} where
 */
async function everyone(view, pipeline, where) {
  const bar = filters(
    whoPath(pipeline),
    view.query,
    [
      keptUsername,
      selectFilter(
        "permission",
        "Who can",
        PERMISSIONS.map((each) => ({ ...each, value: each.value === PERMISSIONS[0].value ? "" : each.value })),
      ),
    ],
    () => list.reload({ anew: true }),
  );
  /** @type {List} */
  const list = await listing({
    caption: "Everyone who can",
    noun: "user",
    columns: /** @type {Column<UserAccess>[]} */ ([
      { label: "User", class: "grow", cell: ({ username }) => grantee("user", username) },
      { label: "Can", cell: standing },
      {
        label: "",
        class: "row-actions",
        cell: ({ username }) =>
          h(
            "a",
            { href: address(whoPath(pipeline), { ...bar.values(), username }), "aria-label": `Why can ${username}?` },
            "Why?",
          ),
      },
    ]),
    fetchPage: pagesOf(`${where}/access`, "users", () => ({ permission: bar.values().permission })),
    none: () => empty("user", "Nobody can", "Neither a grant nor a role gives this to anyone."),
    view,
  });
  return [h("div", { class: "section-head" }, h("h2", {}, "Everyone who can"), bar.element), list.element];
}

/**
 * A filter without a control: the question above stays in the address while the list is filtered.
 *
 * @type {MakeFilter}
 */
const keptUsername = (query) => ({ name: "username", value: () => query.username ?? "", element: null });
