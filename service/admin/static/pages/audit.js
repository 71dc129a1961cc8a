// Who did what when, as sentences, with before and after side by side; for administrators.

import { difference } from "../audit/difference.js";
import { exportTrail } from "../audit/export.js";
import { pipelineNames } from "../audit/names.js";
import { tell } from "../audit/sentences.js";
import { isAdministrator } from "../caller.js";
import { button } from "../components/buttons.js";
import { searchUsers } from "../components/choices.js";
import { comboFilter, dayFilter, filters, selectFilter, textFilter } from "../components/filters.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { h } from "../dom.js";
import { ACTIONS } from "../labels.js";
import { address, go } from "../router.js";
import { instantOf, time } from "../time.js";
import { notForCaller } from "./not_found.js";

/** @import { AuditEntry } from "../../answers.d.ts" */
/** @import { PipelineNames } from "../audit/names.js" */
/** @import { Filters, Values } from "../components/filters.js" */
/** @import { FetchPage, List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

const ANY = { value: "", label: "Anything" };
const WHAT = [ANY, ...[...ACTIONS].map(([value, label]) => ({ value, label }))];

/** @param {View} view */
export async function auditPage(view) {
  if (!isAdministrator()) return notForCaller("Audit", "Only administrators read the audit trail.");
  const names = pipelineNames(view.signal);
  const order = ordering("-at", [["at", "Oldest first", "Newest first"]]);
  const bar = filters(
    "/audit",
    view.query,
    [
      comboFilter("actor", "Who", searchUsers, { placeholder: "Username" }),
      selectFilter("action", "Did what", WHAT),
      textFilter("target", "To what", { placeholder: "group:reviewers" }),
      dayFilter("since", "From"),
      dayFilter("until", "To"),
      order.filter,
    ],
    () => list.reload({ anew: true }),
  );
  const query = () => asked(bar.values());
  /** @type {List} */
  const list = await listing({
    caption: "Changes",
    noun: "change",
    columns: columns(names),
    fetchPage: named(pagesOf("/audit", "audit", query, { counted: true }), names),
    none: () => none(bar),
    view,
    order,
  });
  return {
    title: "Audit",
    content: [
      pageHeader("Audit", {
        lead: h("p", {}, "Every change, newest first. Nothing in it can be altered."),
        actions: button("Export", () => exportTrail(query()), { symbol: "download" }),
      }),
      bar.element,
      list.element,
    ],
  };
}

/**
 * Look names up behind each page that is fetched, once it is shown.
 *
 * @param {FetchPage<AuditEntry>} fetchPage
 * @param {PipelineNames} names
 * @returns {FetchPage<AuditEntry>}
 */
export const named = (fetchPage, names) => async (page, signal) => {
  if (!page.page_token) names.forget();
  const found = await fetchPage(page, signal);
  names.learn(found.items);
  setTimeout(names.lookUp);
  return found;
};

/**
 * Return the filters as the API has them: whole days become the moments at which they begin here.
 *
 * @param {Values} values
 */
const asked = ({ since, until, ...others }) => ({ ...others, since: instantOf(since), until: instantOf(until, 1) });

/**
 * @param {PipelineNames} names
 * @returns {Column<AuditEntry>[]}
 */
const columns = (names) => [
  { label: "When", order: "at", cell: ({ at }) => time(at), class: "when" },
  { label: "What", class: "most", cell: (entry) => [tell(entry, names.show), difference(entry, names)] },
];

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
