// The grants on one pipeline: the first tab for its managers; for others the queue is the first.

import { path } from "../api.js";
import { may } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { filters, textFilter } from "../components/filters.js";
import { granteeLink, standing } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { empty } from "../components/states.js";
import { h, sentence } from "../dom.js";
import { follow, ofAccess } from "../follow.js";
import { ends } from "../time.js";
import { changeGrant, giveAccess, granteeName, takeBack } from "./grant_dialogs.js";
import { pipelineView } from "./pipeline.js";
import { queueTab } from "./pipeline_queue.js";

/** @import { Grant, Pipeline } from "../../answers.d.ts" */
/** @import { Filters } from "../components/filters.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export async function accessTab(view) {
  let manages = true;
  const shown = await pipelineView(view, "access", async (pipeline, where) => {
    manages = may(pipeline, "manage_pipelines");
    return manages && grantList(view, pipeline, where);
  });
  return manages ? shown : queueTab(view);
}

/**
 * @param {View} view
 * @param {Pipeline} pipeline
 * @param {string} where
 */
async function grantList(view, pipeline, where) {
  const changed = (/** @type {boolean} */ did) => did && list.reload();
  const order = ordering("name", [
    ["name", "Groups first, A to Z", "Users first, Z to A"],
    ["expires_at", "First to end first", "Never ending first"],
    ["updated_at", "First changed first", "Last changed first"],
  ]);
  const search = textFilter("q", "Search", { main: true, placeholder: "A part of the name" });
  const bar = filters(path`/pipelines/${pipeline.id}`, view.query, [search, order.filter], () =>
    list.reload({ anew: true }),
  );
  const give = () =>
    button("Give access", async () => changed(await giveAccess(pipeline, where)), { kind: "primary", symbol: "plus" });
  /** @type {List} */
  const list = await listing({
    caption: "Who was given access",
    noun: "grant",
    columns: columns(pipeline, where, changed),
    fetchPage: pagesOf(`${where}/grants`, "grants", bar.values, { counted: true }),
    none: () => (bar.any() ? noneFits(bar) : nobody(give())),
    view,
    order,
  });
  follow(view, ofAccess, list.reload, () => list.element);
  return [h("div", { class: "section-head" }, h("h2", {}, "Who was given access"), give()), bar.element, list.element];
}

/** @param {HTMLElement} give */
const nobody = (give) =>
  empty(
    "group",
    "Nobody was given access yet",
    "Administrators and pipeline administrators can use it all the same. Everyone else needs to be given access, best through a group.",
    give,
  );

/** @param {Filters} bar */
const noneFits = (bar) =>
  empty("search", "No grant fits", sentence`Nothing is granted to anyone with “${bar.values().q}” in their name.`);

/**
 * @param {Pipeline} pipeline
 * @param {string} where
 * @param {(done: boolean) => unknown} changed
 * @returns {Column<Grant>[]}
 */
const columns = (pipeline, where, changed) => [
  { label: "Who", class: "grow", order: "name", cell: granteeOf },
  { label: "Permissions", cell: standing },
  {
    label: "Expires",
    order: "expires_at",
    cell: ({ expires_at: end }) => ends(end),
  },
  {
    label: "",
    class: "row-actions",
    cell: (grant) => mayTouch(pipeline, grant) && actions(pipeline, where, grant, changed),
  },
];

/** @param {Grant} grant */
const granteeOf = (grant) => granteeLink(grant.group ? "group" : "user", granteeName(grant));

/**
 * Return whether the caller may change a grant: only managers change or unmake managers.
 *
 * @param {Pipeline} pipeline
 * @param {Grant} grant
 */
const mayTouch = (pipeline, grant) => pipeline.is_manager || !grant.is_manager;

/**
 * @param {Pipeline} pipeline
 * @param {string} where
 * @param {Grant} grant
 * @param {(done: boolean) => unknown} changed
 */
function actions(pipeline, where, grant, changed) {
  const who = granteeName(grant);
  return [
    iconButton("edit", `Change what ${who} may do`, async () => changed(await changeGrant(pipeline, where, grant))),
    iconButton(
      "trash",
      `Take back what ${who} may do`,
      async () => changed(await takeBack(pipeline, where, grant)),
      "danger",
    ),
  ];
}
