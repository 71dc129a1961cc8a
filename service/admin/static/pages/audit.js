// Who did what when, with before and after side by side; for administrators.

import { path } from "../api.js";
import { isAdministrator } from "../caller.js";
import { button } from "../components/buttons.js";
import { searchUsers } from "../components/choices.js";
import { comboFilter, dayFilter, filters, selectFilter, textFilter } from "../components/filters.js";
import { identifierText } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { breakable, h, name } from "../dom.js";
import { ACTIONS } from "../labels.js";
import { address, go } from "../router.js";
import { instantOf, time } from "../time.js";
import { notForCaller } from "./not_found.js";

/** @import { AuditEntry } from "../../answers.d.ts" */
/** @import { Filters, Values } from "../components/filters.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$/;
const ANY = { value: "", label: "Anything" };
const WHAT = [ANY, ...[...ACTIONS].map(([value, label]) => ({ value, label }))];

/** @param {View} view */
export async function auditPage(view) {
  if (!isAdministrator()) return notForCaller("Audit", "Only administrators read the audit trail.");
  const bar = filters(
    "/audit",
    view.query,
    [
      comboFilter("actor", "Who", searchUsers, { placeholder: "Username" }),
      selectFilter("action", "Did what", WHAT),
      textFilter("target", "To what", { placeholder: "as in job:4711" }),
      dayFilter("since", "From"),
      dayFilter("until", "To"),
    ],
    () => list.reload({ anew: true }),
  );
  /** @type {List} */
  const list = await listing({
    caption: "Changes",
    noun: "change",
    columns: COLUMNS,
    fetchPage: pagesOf("/audit", "audit", () => asked(bar.values())),
    none: () => none(bar),
    view,
  });
  return {
    title: "Audit",
    content: [
      pageHeader("Audit", { lead: h("p", {}, "Every change, newest first. Nothing in it can be altered.") }),
      bar.element,
      list.element,
    ],
  };
}

/**
 * Return the filters as the API has them: whole days become the moments at which they begin here.
 *
 * @param {Values} values
 */
const asked = ({ since, until, ...others }) => ({ ...others, since: instantOf(since), until: instantOf(until, 1) });

/** @type {Column<AuditEntry>[]} */
const COLUMNS = [
  { label: "When", cell: ({ at }) => time(at), class: "when" },
  { label: "Who", cell: ({ actor }) => name(actor), class: "person" },
  {
    label: "What",
    class: "most",
    cell: (entry) => [
      h("p", {}, ACTIONS.get(entry.action) ?? entry.action, " ", target(entry.target)),
      h("details", {}, h("summary", {}, "Before and after"), difference(entry)),
    ],
  },
];

/**
 * Show what was changed, as a link to it where it has a page.
 *
 * @param {string} text
 */
export function target(text) {
  const [kind, ...rest] = text.split(":");
  const key = rest.join(":");
  /** @type {Record<string, () => string>} */
  const pages = {
    pipeline: () => path`/pipelines/${key}`,
    grant: () => path`/pipelines/${key.split("/")[0]}`,
    job: () => path`/jobs/${key}`,
    group: () => path`/groups/${key}`,
  };
  const said = h("bdi", { class: "name identifier" }, breakable(text));
  return pages[kind] ? h("a", { href: address(pages[kind]()) }, said) : said;
}

/**
 * Show before and after, one row a field; what differs is marked, also for people who don't see colours.
 *
 * @param {AuditEntry} entry
 */
function difference({ before, after, token_id: tokenId, request_id: requestId }) {
  const fields = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  return h(
    "div",
    { class: "difference" },
    h(
      "table",
      { class: "compare" },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Field"),
          h("th", { scope: "col" }, "Before"),
          h("th", { scope: "col" }, "After"),
        ),
      ),
      h(
        "tbody",
        {},
        fields.map((field) => compared(field, before, after)),
      ),
    ),
    h(
      "p",
      { class: "muted" },
      tokenId && ["By token ", identifierText(tokenId), ". "],
      requestId && ["Request ", identifierText(requestId), "."],
    ),
  );
}

/**
 * @param {string} field
 * @param {AuditEntry["before"]} before
 * @param {AuditEntry["after"]} after
 */
function compared(field, before, after) {
  const [was, is] = [before?.[field], after?.[field]];
  const differs = JSON.stringify(was) !== JSON.stringify(is);
  return h(
    "tr",
    { class: differs ? "changed" : "" },
    h("th", { scope: "row" }, field),
    h("td", {}, value(was)),
    h("td", {}, differs && is !== undefined ? h("ins", {}, value(is)) : value(is)),
  );
}

/** @param {unknown} given */
function value(given) {
  if (given === undefined || given === null) return h("span", { class: "muted" }, "none");
  if (given === "") return h("span", { class: "muted" }, "empty");
  if (typeof given === "string") return INSTANT.test(given) ? time(given) : name(given);
  if (Array.isArray(given) && given.every((each) => typeof each === "string"))
    return given.length > 0
      ? h(
          "ul",
          {},
          given.map((each) => h("li", {}, name(each))),
        )
      : h("span", { class: "muted" }, "none");
  return h("pre", {}, JSON.stringify(given, null, 2));
}

/** @param {Filters} bar */
function none(bar) {
  if (!bar.any())
    return empty(
      "audit",
      "Nothing has been changed yet",
      "Every change by this page, the API or the command line appears here.",
    );
  return empty(
    "search",
    "No change fits",
    "The target is the whole of it: its kind, a colon, and its ID or name.",
    button("Clear the filters", () => go(address("/audit"), { instead: true })),
  );
}
