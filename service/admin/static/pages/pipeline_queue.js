// The jobs in one pipeline.

import { may } from "../caller.js";
import { jobLink, personLink } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { empty } from "../components/states.js";
import { h, name } from "../dom.js";
import { ago } from "../time.js";
import { pipelineView } from "./pipeline.js";

/** @import { QueuedJob } from "../../answers.d.ts" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export const queueTab = (view) =>
  pipelineView(view, "queue", async (pipeline, where) => {
    /** @type {List} */
    const list = await listing({
      caption: "Queue",
      noun: "job",
      columns: COLUMNS,
      fetchPage: pagesOf(`${where}/jobs`, "jobs"),
      none: () =>
        empty(
          "job",
          "No jobs in this pipeline",
          may(pipeline, "execute")
            ? "Jobs come in by the job runner, or by hand: open a job and put it in."
            : "They appear here when somebody puts them in.",
        ),
      view,
    });
    return [
      h("div", { class: "section-head" }, h("h2", {}, "Queue"), h("p", { class: "muted" }, "Oldest first")),
      list.element,
    ];
  });

/** @type {Column<QueuedJob>[]} */
const COLUMNS = [
  { label: "Job", class: "grow", cell: ({ id }) => jobLink(id) },
  { label: "Name", cell: (job) => (job.name ? name(job.name) : h("span", { class: "muted" }, "none")) },
  { label: "Owner", cell: ({ owner }) => personLink(owner), class: "person" },
  { label: "In it since", cell: ({ assigned_at: since }) => ago(since) },
];
