// The groups of the organization, for administrators.

import { path } from "../api.js";
import { isAdministrator } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { searchPipelines } from "../components/choices.js";
import { filters, textFilter } from "../components/filters.js";
import { icon } from "../components/icons.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { pageHeader } from "../components/page.js";
import { Selection } from "../components/selection.js";
import { selectionForm } from "../components/selection_form.js";
import { empty } from "../components/states.js";
import { h, name, sentence } from "../dom.js";
import { address, go } from "../router.js";
import { day } from "../time.js";
import { giveToMany } from "./grants_many.js";
import { createGroup, deleteGroup, renameGroup } from "./group_dialogs.js";
import { notForCaller } from "./not_found.js";

/** @import { Group, PipelineItem } from "../../answers.d.ts" */
/** @import { Filters } from "../components/filters.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export async function groupsPage(view) {
  if (!isAdministrator()) return notForCaller("Groups", "Only administrators handle groups.");
  const order = ordering("name", [
    ["name", "Name, A to Z", "Name, Z to A"],
    ["created_at", "Oldest first", "Newest first"],
  ]);
  const bar = filters(
    "/groups",
    view.query,
    [textFilter("name", "Search", { main: true, placeholder: "A part of the name" }), order.filter],
    () => list.reload({ anew: true }),
  );
  /** @type {Selection<Group>} */
  const selected = new Selection({
    noun: "group",
    key: ({ name: group }) => group,
    memory: view.memory,
    actions: (selection) =>
      selectionForm({
        label: "Pipeline",
        search: searchPipelines("manage_pipelines"),
        buttons: [
          [
            "Give access",
            (chosen) =>
              giveToGroups(
                selection,
                chosen.map(({ pipeline }) => pipeline),
              ),
          ],
        ],
      }),
  });
  /** @type {List} */
  const list = await listing({
    caption: "Groups",
    noun: "group",
    columns: columns((did) => did && list.reload()),
    fetchPage: pagesOf("/groups", "groups", bar.values, { counted: true }),
    none: () => none(bar),
    view,
    order,
    selected,
  });
  return {
    title: "Groups",
    content: [
      pageHeader("Groups", { actions: button("Create group", createGroup, { kind: "primary", symbol: "plus" }) }),
      bar.element,
      selected.element,
      list.element,
    ],
  };
}

/**
 * @param {Selection<Group>} selection
 * @param {PipelineItem[]} pipelines
 */
const giveToGroups = (selection, pipelines) =>
  giveToMany(
    pipelines,
    selection.items.map(({ name: group }) => ({ kind: "group", value: group })),
  );

/**
 * @param {(done: unknown) => unknown} changed
 * @returns {Column<Group>[]}
 */
const columns = (changed) => [
  {
    label: "Name",
    class: "grow",
    order: "name",
    cell: (group) =>
      h("a", { class: "title grantee", href: address(path`/groups/${group.name}`) }, icon("group"), name(group.name)),
  },
  { label: "Since", order: "created_at", cell: ({ created_at: at }) => day(at) },
  {
    label: "",
    class: "row-actions",
    cell: (group) => [
      iconButton("edit", `Rename ${group.name}`, async () => changed(await renameGroup(group.name))),
      iconButton("trash", `Delete ${group.name}`, async () => changed(await deleteGroup(group.name)), "danger"),
    ],
  },
];

/** @param {Filters} bar */
function none(bar) {
  if (bar.any())
    return empty(
      "search",
      "No group fits",
      sentence`None has “${bar.values().name}” in its name.`,
      button("Show all", () => go(address("/groups"), { instead: true })),
    );
  return empty(
    "group",
    "No groups yet",
    "Give access to groups rather than to single users: it keeps working when people come and go.",
    button("Create the first group", createGroup, { kind: "primary" }),
  );
}
