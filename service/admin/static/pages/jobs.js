// The jobs that the caller can see; and one of them, by its id.

import { ApiError, get, path, reasonsOf } from "../api.js";
import { button } from "../components/buttons.js";
import { searchPipelines, searchUsers } from "../components/choices.js";
import { textField } from "../components/fields.js";
import { comboFilter, filters, textFilter } from "../components/filters.js";
import { jobLink, personLink, pipelineLink } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { pageHeader } from "../components/page.js";
import { Selection } from "../components/selection.js";
import { empty } from "../components/states.js";
import { count, h, name } from "../dom.js";
import { address, go } from "../router.js";
import { ago } from "../time.js";
import { manyJobs } from "./jobs_many.js";

/** @import { Job, Pipeline, PipelineReference } from "../../answers.d.ts" */
/** @import { Filters } from "../components/filters.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

const MAX_NAMED = 3;

/** @param {View} view */
export async function jobsPage(view) {
  const pipeline = await named(view.query.pipeline_id);
  const order = ordering("-created_at", [
    ["created_at", "Oldest first", "Newest first"],
    ["id", "ID, A to Z", "ID, Z to A"],
  ]);
  const bar = filters(
    "/jobs",
    view.query,
    [
      textFilter("q", "Search", { main: true, placeholder: "A part of the ID or name" }),
      comboFilter("pipeline_id", "In the pipeline", searchPipelines(null), {
        shown: pipeline,
        chosen: true,
        placeholder: "Search by name",
      }),
      comboFilter("owner", "Owned by", searchUsers, { placeholder: "Username" }),
      order.filter,
    ],
    () => list.reload({ anew: true }),
  );
  /** @type {Selection<Job>} */
  const selected = new Selection({
    noun: "job",
    key: ({ id }) => id,
    memory: view.memory,
    actions: (selection) => manyJobs(selection, (did) => did && list.reload()),
  });
  /** @type {List} */
  const list = await listing({
    caption: "Jobs",
    noun: "job",
    columns: COLUMNS,
    fetchPage: pagesOf("/jobs", "jobs", bar.values, { counted: true }),
    none: () => none(bar),
    view,
    order,
    selected,
  });
  return {
    title: "Jobs",
    content: [
      pageHeader("Jobs"),
      finder(),
      h("div", { class: "section-head" }, h("h2", {}, "Jobs you can see")),
      bar.element,
      selected.element,
      list.element,
    ],
  };
}

/**
 * Return the name of the pipeline that the address names by its id; the id itself if it can't be had.
 *
 * @param {string | undefined} id
 */
async function named(id) {
  if (!id) return null;
  try {
    /** @type {{pipeline: Pipeline}} */
    const { pipeline } = await get(path`/flow/pipeline/${id}`);
    return pipeline.name;
  } catch (error) {
    if (error instanceof ApiError) return id;
    throw error;
  }
}

function finder() {
  const id = textField("job_id", "Job ID", { hint: "Whole, as the job runner shows it." });
  /** @param {SubmitEvent} event */
  const find = async (event) => {
    event.preventDefault();
    const wanted = id.value().trim();
    if (!wanted) return id.showErrors(["Type or paste the ID of a job."]);
    try {
      await get(path`/jobs/${wanted}`);
    } catch (error) {
      id.showErrors(reasonsOf(error, "job_id"));
      return id.focus();
    }
    go(address(path`/jobs/${wanted}`));
  };
  id.control.dataset.search = "true";
  return h(
    "form",
    { class: "finder", novalidate: true, onsubmit: find },
    id.element,
    button("Find the job", null, { kind: "primary", type: "submit", symbol: "search" }),
  );
}

/** @type {Column<Job>[]} */
const COLUMNS = [
  {
    label: "Job",
    class: "grow",
    order: "id",
    cell: ({ id, name: text }) => h("span", { class: "two-lines" }, jobLink(id), text && name(text)),
  },
  { label: "Owner", cell: ({ owner }) => personLink(owner), class: "person" },
  {
    label: "Pipelines",
    class: "pipelines",
    cell: ({ flow_pipeline_infos: infos, unlisted_pipelines: more }) => pipelinesOf(infos, more),
  },
  { label: "Registered", order: "created_at", cell: ({ created_at: at }) => ago(at) },
];

/**
 * @param {PipelineReference[]} infos
 * @param {number} [unlisted] those beyond these
 */
function pipelinesOf(infos, unlisted = 0) {
  if (infos.length === 0) return h("span", { class: "muted" }, "none");
  const links = infos.slice(0, MAX_NAMED).flatMap((info, index) => [index > 0 && ", ", pipelineLink(info)]);
  const more = infos.length - MAX_NAMED + unlisted;
  return [links, more > 0 && ` and ${count(more, "more", "more")}`];
}

/** @param {Filters} bar */
function none(bar) {
  if (!bar.any())
    return empty(
      "job",
      "No jobs to see",
      "A job appears here when the job runner registers it under your name, or when it is in a pipeline that you may read.",
    );
  return empty(
    "search",
    "No job fits",
    "None that you may see fits these filters.",
    button("Clear the filters", () => go(address("/jobs"), { instead: true })),
  );
}
