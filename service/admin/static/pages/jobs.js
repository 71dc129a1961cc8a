// The jobs that the caller can see; and one of them, by its id.

import { ApiError, get, path } from "../api.js";
import { searchPipelines, searchUsers } from "../components/choices.js";
import { textField } from "../components/fields.js";
import { comboFilter, filters } from "../components/filters.js";
import { jobLink, pipelineLink } from "../components/labels.js";
import { listing, pagesOf } from "../components/listing.js";
import { pageHeader } from "../components/page.js";
import { button } from "../components/buttons.js";
import { empty } from "../components/states.js";
import { count, h, name } from "../dom.js";
import { address, go } from "../router.js";
import { ago } from "../time.js";

const MOST_NAMED = 3;

export async function jobsPage(view) {
  const pipeline = await named(view.query.pipeline_id);
  const bar = filters(
    "/jobs",
    view.query,
    [
      comboFilter("pipeline_id", "In the pipeline", searchPipelines(null), {
        shown: pipeline,
        chosen: true,
        placeholder: "Search by name",
      }),
      comboFilter("owner", "Owned by", searchUsers, { placeholder: "Username" }),
    ],
    () => list.reload({ anew: true }),
  );
  const list = await listing({
    caption: "Jobs",
    noun: ["job"],
    columns: COLUMNS,
    fetchPage: pagesOf(get, "/jobs", "jobs", bar.values),
    none: () => none(bar),
    view,
  });
  return {
    title: "Jobs",
    content: [
      pageHeader("Jobs"),
      finder(),
      h("div", { class: "section-head" }, h("h2", {}, "Newest first"), bar.element),
      list.element,
    ],
  };
}

/** The name of the pipeline that the address names by its id; the id itself if it can't be had. */
async function named(id) {
  if (!id) return null;
  try {
    return (await get(path`/flow/pipeline/${id}`)).pipeline.name;
  } catch (error) {
    if (error instanceof ApiError) return id;
    throw error;
  }
}

function finder() {
  const id = textField("job_id", "Job ID", { hint: "Whole, as the job runner shows it." });
  const find = async (event) => {
    event.preventDefault();
    const wanted = id.value().trim();
    if (!wanted) return id.showErrors(["Type or paste the ID of a job."]);
    try {
      await get(path`/jobs/${wanted}`);
    } catch (error) {
      id.showErrors(error.details?.job_id ?? [error.message]);
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

const COLUMNS = [
  {
    label: "Job",
    class: "grow",
    cell: ({ id, name: text }) => h("span", { class: "two-lines" }, jobLink(id), text && name(text)),
  },
  { label: "Owner", cell: ({ owner }) => name(owner) },
  { label: "Pipelines", cell: ({ flow_pipeline_infos: infos }) => pipelinesOf(infos) },
  { label: "Registered", cell: ({ created_at: at }) => ago(at) },
];

function pipelinesOf(infos) {
  if (infos.length === 0) return h("span", { class: "muted" }, "none");
  const links = infos.slice(0, MOST_NAMED).flatMap((info, index) => [index > 0 && ", ", pipelineLink(info)]);
  return [links, infos.length > MOST_NAMED && ` and ${count(infos.length - MOST_NAMED, "more", "more")}`];
}

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
