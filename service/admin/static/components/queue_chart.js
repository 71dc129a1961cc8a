// A chart of the oldest queues, as a table: below the name of each a bar, parted by how long its jobs wait.

import { count, h, svg } from "../dom.js";
import { ago } from "../time.js";
import { pipelineLink } from "./inline.js";
import { table } from "./table.js";

/** @import { Ages, Queue } from "../../answers.d.ts" */

/** @type {{age: keyof Ages, label: string}[]} the oldest first, as they are to be seen */
const AGES = [
  { age: "longer", label: "30 days or more" },
  { age: "under_a_month", label: "a week or more" },
  { age: "under_a_week", label: "a day or more" },
  { age: "under_a_day", label: "under a day" },
];
const WIDTH = 600;
const HEIGHT = 10;

/** @param {Queue[]} queues */
export function queueChart(queues) {
  if (queues.length === 0) return null;
  const most = Math.max(...queues.map(sum));
  return h(
    "section",
    { class: "chart", "aria-label": "Queues" },
    h("div", { class: "section-head" }, h("h2", {}, "Queues"), h("p", { class: "muted" }, "Those that wait longest")),
    h(
      "div",
      { class: "legend" },
      AGES.map(({ age, label }) => h("span", { class: age }, label)),
    ),
    h("div", { class: "list" }, table("Jobs in each queue, and their ages", [named(most), ...COLUMNS], queues)),
  );
}

/** @param {Queue} queue */
const sum = ({ ages }) => AGES.reduce((total, { age }) => total + ages[age], 0);

/**
 * Make the column of names and bars.
 *
 * @param {number} most jobs in any
 * @returns {import("./table.js").Column<Queue>}
 */
const named = (most) => ({
  label: "Pipeline",
  class: "grow",
  cell: (queue) => [pipelineLink(queue.pipeline), bar(queue, most)],
});

/**
 * @param {Queue} queue
 * @param {number} most
 */
function bar({ ages }, most) {
  let x = 0;
  const parts = AGES.map(({ age }) => {
    const width = (ages[age] / most) * WIDTH;
    const part = svg("rect", { class: age, x, width, height: HEIGHT });
    x += width;
    return part;
  });
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true", preserveAspectRatio: "none" }, parts);
}

/** @type {import("./table.js").Column<Queue>[]} */
const COLUMNS = [
  {
    label: "Jobs",
    class: "when",
    cell: (queue) => (queue.total_size === undefined ? "more than " : "") + count(queue.total_size ?? 10_000, "job"),
  },
  { label: "Waits since", cell: ({ oldest_at: at }) => ago(at) },
  ...AGES.map(({ age, label }) => ({
    label: label[0].toUpperCase() + label.slice(1),
    cell: (/** @type {Queue} */ { ages }) => ages[age].toLocaleString("en"),
  })),
];
