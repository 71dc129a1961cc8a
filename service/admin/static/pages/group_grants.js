// What one group is granted.

import { call, path, remove } from "../api.js";
import { iconButton } from "../components/buttons.js";
import { searchPipelines } from "../components/choices.js";
import { confirmDialog } from "../components/confirm.js";
import { filters, textFilter } from "../components/filters.js";
import { pipelineLink, standing } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { selectionForm } from "../components/selection_form.js";
import { empty } from "../components/states.js";
import { toast } from "../components/toast.js";
import { h, sentence } from "../dom.js";
import { ends } from "../time.js";
import { giveToMany } from "./grants_many.js";
import { groupView } from "./group.js";

/** @import { Group, GroupGrant } from "../../answers.d.ts" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export const groupGrantsTab = (view) =>
  groupView(view, "grants", async (group, where) => {
    const order = ordering("name", [
      ["name", "Pipeline, A to Z", "Pipeline, Z to A"],
      ["expires_at", "First to end first", "Never ending first"],
    ]);
    const search = textFilter("q", "Search", { main: true, placeholder: "A part of the pipeline's name" });
    const bar = filters(`${where}/grants`, view.query, [search, order.filter], () => list.reload({ anew: true }));
    const changed = (/** @type {unknown} */ did) => did && list.reload();
    /** @type {List} */
    const list = await listing({
      caption: "Grants",
      noun: "grant",
      columns: columns(group, changed),
      fetchPage: pagesOf(`${where}/grants`, "grants", bar.values, { counted: true }),
      none: () =>
        bar.any()
          ? empty(
              "search",
              "No grant fits",
              sentence`It is granted nothing on a pipeline with “${bar.values().q}” in its name.`,
            )
          : empty("pipeline", "It is granted nothing yet", "Choose a pipeline above, and give access to it."),
      view,
      order,
    });
    const give = selectionForm({
      label: "Pipeline",
      search: searchPipelines("manage_pipelines"),
      buttons: [
        [
          "Give access",
          async (chosen) =>
            changed(
              await giveToMany(
                chosen.map(({ pipeline }) => pipeline),
                [{ kind: "group", value: group.name }],
              ),
            ),
        ],
      ],
    });
    return [
      h("div", { class: "section-head" }, h("h2", {}, "Grants"), h("div", { class: "selection-actions" }, give)),
      bar.element,
      list.element,
    ];
  });

/**
 * @param {Group} group
 * @param {(done: boolean) => unknown} changed
 * @returns {Column<GroupGrant>[]}
 */
const columns = (group, changed) => [
  { label: "Pipeline", class: "grow", order: "name", cell: ({ pipeline }) => pipelineLink(pipeline) },
  { label: "Permissions", cell: standing },
  { label: "Expires", order: "expires_at", cell: ({ expires_at: end }) => ends(end) },
  {
    label: "",
    class: "row-actions",
    cell: ({ pipeline }) =>
      iconButton(
        "trash",
        `Take back what ${group.name} may do on ${pipeline.name}`,
        async () => changed(await takeBack(group, pipeline)),
        "danger",
      ),
  },
];

/**
 * @param {Group} group
 * @param {{id: string, name: string}} pipeline
 */
async function takeBack(group, pipeline) {
  const address = path`/flow/pipeline/${pipeline.id}/grants/groups/${group.name}`;
  const { tag } = await call("GET", address);
  const done = await confirmDialog({
    title: "Take access back?",
    consequences: [
      sentence`Everyone in the group ${group.name} loses what it is granted on ${pipeline.name}.`,
      "What they hold by another grant, another group or their role stays.",
    ],
    submit: "Take it back",
    run: () => remove(address, { ifMatch: tag }),
  });
  if (done) toast("Access is taken back. It is refused from the next request on.");
  return done;
}
