// The jobs in one pipeline.

import { path } from "../api.js";
import { may } from "../caller.js";
import { button } from "../components/buttons.js";
import { filters, textFilter } from "../components/filters.js";
import { jobLink, personLink } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { Selection } from "../components/selection.js";
import { empty } from "../components/states.js";
import { workThrough } from "../components/work.js";
import { h, name, sentence } from "../dom.js";
import { follow, ofQueue } from "../follow.js";
import { address } from "../router.js";
import { ago } from "../time.js";
import { oneByOne } from "./jobs_many.js";
import { pipelineView } from "./pipeline.js";

/** @import { Pipeline, QueuedJob } from "../../answers.d.ts" */
/** @import { Filters } from "../components/filters.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export const queueTab = (view) =>
  pipelineView(view, "queue", async (pipeline, where) => {
    const here = path`/pipelines/${pipeline.id}/queue`;
    const order = ordering("assigned_at", [["assigned_at", "Oldest first", "Newest first"]]);
    const search = textFilter("q", "Search", { main: true, placeholder: "A part of the ID or name" });
    const bar = filters(here, view.query, [search, order.filter], () => list.reload({ anew: true }));
    const selected = may(pipeline, "execute") ? takingOut(pipeline, view, (did) => did && list.reload()) : null;
    /** @type {List} */
    const list = await listing({
      caption: "Queue",
      noun: "job",
      columns: COLUMNS,
      fetchPage: pagesOf(`${where}/jobs`, "jobs", bar.values, { counted: true }),
      none: () => (bar.any() ? noneFits(bar) : none(pipeline)),
      view,
      order,
      selected,
    });
    follow(view, ofQueue(pipeline.id), list.reload, () => list.element);
    return [
      h("div", { class: "section-head" }, h("h2", {}, "Queue")),
      bar.element,
      selected?.element ?? null,
      list.element,
    ];
  });

/** @param {Filters} bar */
const noneFits = (bar) =>
  empty("search", "No job fits", sentence`None in it has “${bar.values().q}” in its ID or name.`);

/** @param {Pipeline} pipeline */
const none = (pipeline) =>
  empty(
    "job",
    "No jobs in this pipeline",
    may(pipeline, "execute")
      ? "Jobs come in by the job runner, or by hand: select jobs and put them in."
      : "They appear here when somebody puts them in.",
    may(pipeline, "execute") && h("a", { class: "button", href: address("/jobs") }, "Go to the jobs"),
  );

/**
 * @param {Pipeline} pipeline
 * @param {View} view
 * @param {(done: unknown) => unknown} changed
 * @returns {Selection<QueuedJob>}
 */
const takingOut = (pipeline, view, changed) =>
  new Selection({
    noun: "job",
    key: ({ id }) => id,
    memory: view.memory,
    actions: (selection) =>
      button(
        "Take them out",
        async () => {
          const steps = selection.items.map(({ id }) => ({ job: id, pipeline }));
          const done = await workThrough(oneByOne(steps, "out", [pipeline]));
          if (done) selection.clear();
          changed(done);
        },
        { kind: "quiet danger" },
      ),
  });

/** @type {Column<QueuedJob>[]} */
const COLUMNS = [
  { label: "Job", class: "grow", cell: ({ id }) => jobLink(id) },
  { label: "Name", cell: (job) => (job.name ? name(job.name) : h("span", { class: "muted" }, "none")) },
  { label: "Owner", cell: ({ owner }) => personLink(owner), class: "person" },
  { label: "In the queue since", order: "assigned_at", cell: ({ assigned_at: since }) => ago(since) },
];
