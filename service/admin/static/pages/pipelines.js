// All pipelines that the caller may read.

import { may, mayCreatePipelines } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { copyButton } from "../components/copy.js";
import { checkFilter, filters, selectFilter, textFilter } from "../components/filters.js";
import { identifierText, pipelineLink, standing } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { h, sentence } from "../dom.js";
import { follow, ofPipelines } from "../follow.js";
import { PERMISSIONS } from "../labels.js";
import { address, go } from "../router.js";
import { createPipeline, deletePipeline, editPipeline } from "./pipeline_dialogs.js";

/** @import { PipelineItem } from "../../answers.d.ts" */
/** @import { Filters } from "../components/filters.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

const MAY = [{ value: "", label: "Any" }, ...PERMISSIONS.slice(1)];

/** @param {View} view */
export async function pipelinesPage(view) {
  const bar = filters(
    "/pipelines",
    view.query,
    [
      textFilter("name", "Search", { main: true, placeholder: "A part of the name" }),
      selectFilter("permission", "My permission", MAY),
      checkFilter("is_manager", "Only those I manage"),
    ],
    () => list.reload({ anew: true }),
  );
  /** @type {List} */
  const list = await listing({
    caption: "Pipelines",
    noun: "pipeline",
    columns: columns(() => list.reload()),
    fetchPage: pagesOf("/flow/pipeline", "pipelines", bar.values),
    none: () => none(bar),
    view,
  });
  follow(view, ofPipelines, list.reload, () => list.element);
  const actions = mayCreatePipelines()
    ? button("Create pipeline", createPipeline, { kind: "primary", symbol: "plus" })
    : [];
  return { title: "Pipelines", content: [pageHeader("Pipelines", { actions }), bar.element, list.element] };
}

/**
 * @param {() => unknown} changed
 * @returns {Column<PipelineItem>[]}
 */
const columns = (changed) => [
  { label: "Name", cell: pipelineLink, class: "grow" },
  {
    label: "ID",
    cell: ({ id, name }) =>
      h("span", { class: "copyable" }, identifierText(id), copyButton(id, `Copy the ID of ${name}`)),
  },
  { label: "My permissions", cell: standing },
  { label: "", cell: (pipeline) => rowActions(pipeline, changed), class: "row-actions" },
];

/**
 * @param {PipelineItem} pipeline
 * @param {() => unknown} changed
 */
const rowActions = (pipeline, changed) => [
  may(pipeline, "write") &&
    iconButton("edit", `Edit ${pipeline.name}`, async () => (await editPipeline(pipeline.id)) && changed()),
  may(pipeline, "delete") &&
    iconButton("trash", `Delete ${pipeline.name}`, async () => (await deletePipeline(pipeline)) && changed(), "danger"),
];

/** @param {Filters} bar */
function none(bar) {
  if (bar.any()) {
    const clear = button("Clear the filters", () => go(address("/pipelines"), { instead: true }));
    const { name, ...others } = bar.values();
    const narrower = Object.values(others).some(Boolean) ? [" and fits the other filters"] : [];
    return empty(
      "search",
      "No pipeline fits",
      name
        ? sentence`None that you may see has “${name}” in its name${narrower}.`
        : "None that you may see fits these filters.",
      clear,
    );
  }
  if (mayCreatePipelines()) {
    return empty(
      "pipeline",
      "No pipelines yet",
      "A pipeline decides which reviewers reach which jobs. Create one, then give a group access to it.",
      button("Create the first pipeline", createPipeline, { kind: "primary" }),
    );
  }
  return empty(
    "pipeline",
    "No pipelines for you yet",
    "They appear here as soon as a manager of one gives access to you or to a group of yours.",
  );
}
