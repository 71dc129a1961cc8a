// What one user can reach and why, their groups, tokens and jobs, and what they did lately.

import { path } from "../api.js";
import { pipelineNames } from "../audit/names.js";
import { tell } from "../audit/sentences.js";
import { isAdministrator } from "../caller.js";
import { button } from "../components/buttons.js";
import { openDialog } from "../components/dialog.js";
import { filters, selectFilter, textFilter } from "../components/filters.js";
import { granteeLink, jobLink, pipelineLink, standing } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { empty } from "../components/states.js";
import { h, name, sentence } from "../dom.js";
import { PERMISSIONS } from "../labels.js";
import { address } from "../router.js";
import { ago, day, time } from "../time.js";
import { named } from "./audit.js";
import { TOKEN_ORDERS, tokenColumns } from "./tokens.js";
import { userView } from "./user.js";
import { why } from "./why.js";

/** @import { AuditEntry, Group, Job, PipelineItem } from "../../answers.d.ts" */
/** @import { PipelineNames } from "../audit/names.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

const MAY = [{ value: "", label: "Any" }, ...PERMISSIONS.slice(1)];

/** @param {View} view */
export const reachTab = (view) =>
  userView(view, "reach", async ({ username, disabled }, where) => {
    const bar = filters(
      where,
      view.query,
      [
        textFilter("name", "Search", { main: true, placeholder: "A part of the name" }),
        selectFilter("permission", "Permission", MAY),
      ],
      () => list.reload({ anew: true }),
    );
    /** @type {List} */
    const list = await listing({
      caption: "Can reach",
      noun: "pipeline",
      columns: reachColumns(username),
      fetchPage: pagesOf(`${where}/pipelines`, "pipelines", bar.values),
      none: () =>
        bar.any()
          ? empty("search", "No pipeline fits", "They can reach none that fits these filters.")
          : empty(
              "pipeline",
              "They can reach nothing",
              disabled
                ? "A disabled user is refused everywhere."
                : "Neither a grant to them or a group of theirs, nor their role, leads to a pipeline.",
            ),
      view,
    });
    return [
      h("div", { class: "section-head" }, h("h2", {}, disabled ? "Could reach, once enabled again" : "Can reach")),
      bar.element,
      list.element,
    ];
  });

/**
 * @param {string} username
 * @returns {Column<PipelineItem>[]}
 */
const reachColumns = (username) => [
  { label: "Pipeline", class: "grow", cell: pipelineLink },
  { label: "Permissions", cell: standing },
  {
    label: "",
    class: "row-actions",
    cell: (pipeline) =>
      h(
        "button",
        {
          type: "button",
          class: "button quiet",
          "aria-label": `Why can ${username} reach ${pipeline.name}?`,
          onclick: () => explain(username, pipeline),
        },
        "Why?",
      ),
  },
];

/**
 * @param {string} username
 * @param {PipelineItem} pipeline
 */
async function explain(username, pipeline) {
  const answer = await why(path`/flow/pipeline/${pipeline.id}`, username);
  const close = button("Close", () => dialog.close(null));
  const dialog = openDialog({
    title: sentence`Why ${username} can reach ${pipeline.name}`,
    content: h("div", { class: "dialog-body" }, answer, h("footer", {}, close)),
  });
  close.focus();
  await dialog.closed;
}

/** @param {View} view */
export const groupsTab = (view) =>
  userView(view, "groups", async (_, where) => {
    const order = ordering("name", [
      ["name", "Name, A to Z", "Name, Z to A"],
      ["created_at", "Oldest first", "Newest first"],
    ]);
    const bar = filters(`${where}/groups`, view.query, [order.filter], () => list.reload({ anew: true }));
    /** @type {List} */
    const list = await listing({
      caption: "Groups",
      noun: "group",
      columns: GROUPS,
      fetchPage: pagesOf(`${where}/groups`, "groups", bar.values, { counted: true }),
      none: () => empty("group", "They are in no group", "What is granted to groups lasts when people come and go."),
      view,
      order,
    });
    return [h("div", { class: "section-head" }, h("h2", {}, "Groups")), bar.element, list.element];
  });

/** @type {Column<Group>[]} */
const GROUPS = [
  { label: "Group", class: "grow", order: "name", cell: (group) => granteeLink("group", group.name) },
  { label: "Since", order: "created_at", cell: ({ created_at: at }) => day(at) },
];

/** @param {View} view */
export const tokensTab = (view) =>
  userView(view, "tokens", async ({ username }, where) => {
    const order = ordering("-created_at", TOKEN_ORDERS);
    const bar = filters(`${where}/tokens`, view.query, [order.filter], () => list.reload({ anew: true }));
    /** @type {List} */
    const list = await listing({
      caption: "Tokens",
      noun: "token",
      columns: tokenColumns,
      fetchPage: pagesOf("/tokens", "tokens", () => ({ username, ...bar.values() }), { counted: true }),
      none: () => empty("token", "They have no token", "So no program and no page can act for them."),
      view,
      order,
    });
    const all = h("a", { class: "button", href: address("/tokens", { username }) }, "Make and revoke tokens");
    return [h("div", { class: "section-head" }, h("h2", {}, "Tokens"), all), bar.element, list.element];
  });

/** @param {View} view */
export const jobsTab = (view) =>
  userView(view, "jobs", async ({ username }, where) => {
    const order = ordering("-created_at", [
      ["created_at", "Oldest first", "Newest first"],
      ["id", "ID, A to Z", "ID, Z to A"],
    ]);
    const search = textFilter("q", "Search", { main: true, placeholder: "A part of the ID or name" });
    const bar = filters(`${where}/jobs`, view.query, [search, order.filter], () => list.reload({ anew: true }));
    /** @type {List} */
    const list = await listing({
      caption: "Jobs",
      noun: "job",
      columns: JOBS,
      fetchPage: pagesOf("/jobs", "jobs", () => ({ owner: username, ...bar.values() }), { counted: true }),
      none: () =>
        bar.any()
          ? empty("search", "No job fits", sentence`None of theirs has “${bar.values().q}” in its ID or name.`)
          : empty("job", "They own no job", "A job is its owner's from when the job runner registers it."),
      view,
      order,
    });
    const all = h("a", { class: "button", href: address("/jobs", { owner: username }) }, "Put many into pipelines");
    return [h("div", { class: "section-head" }, h("h2", {}, "Jobs"), all), bar.element, list.element];
  });

/** @type {Column<Job>[]} */
const JOBS = [
  {
    label: "Job",
    class: "grow",
    order: "id",
    cell: ({ id, name: text }) => h("span", { class: "two-lines" }, jobLink(id), text && name(text)),
  },
  { label: "Registered", order: "created_at", cell: ({ created_at: at }) => ago(at) },
];

/** @param {View} view */
export const changesTab = (view) =>
  userView(view, "changes", async ({ username }) => {
    if (!isAdministrator())
      return empty("warning", "This page is not for you", "Only administrators read the audit trail.");
    const names = pipelineNames(view.signal);
    const list = await listing({
      caption: "Recent changes",
      noun: "change",
      columns: changes(names),
      fetchPage: named(
        pagesOf("/audit", "audit", () => ({ actor: username }), { counted: true }),
        names,
      ),
      none: () => empty("audit", "They have changed nothing", "Every change that they make appears here."),
      view,
    });
    const all = h("a", { class: "button", href: address("/audit", { actor: username }) }, "Before and after");
    return [h("div", { class: "section-head" }, h("h2", {}, "Recent changes"), all), list.element];
  });

/**
 * @param {PipelineNames} names
 * @returns {Column<AuditEntry>[]}
 */
const changes = (names) => [
  { label: "When", class: "when", cell: ({ at }) => time(at) },
  { label: "What", class: "most", cell: (entry) => tell(entry, names.show) },
];
