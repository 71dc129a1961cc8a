// A chart of the oldest queues: a bar for each, parted by how long its jobs wait; and the same as a table.

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
const ROW = 28;
const BAR = 18;

/** @param {Queue[]} queues */
export function queueChart(queues) {
  if (queues.length === 0) return null;
  const most = Math.max(...queues.map(sum));
  const bars = queues.flatMap((queue, index) => bar(queue, index, most));
  return h(
    "section",
    { class: "chart", "aria-label": "Queues" },
    h("div", { class: "section-head" }, h("h2", {}, "Queues"), h("p", { class: "muted" }, "Those that wait longest")),
    h(
      "div",
      { class: "legend" },
      AGES.map(({ age, label }) => h("span", { class: age }, label)),
    ),
    svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${queues.length * ROW}`, "aria-hidden": "true", preserveAspectRatio: "none" },
      bars,
    ),
    h("div", { class: "list" }, table("Jobs in each queue, and their ages", COLUMNS, queues)),
  );
}

/** @param {Queue} queue */
const sum = ({ ages }) => AGES.reduce((total, { age }) => total + ages[age], 0);

/**
 * @param {Queue} queue
 * @param {number} index
 * @param {number} most jobs in any
 */
function bar({ ages }, index, most) {
  let x = 0;
  return AGES.map(({ age }) => {
    const width = (ages[age] / most) * WIDTH;
    const part = svg("rect", { class: age, x, y: index * ROW + (ROW - BAR) / 2, width, height: BAR });
    x += width;
    return part;
  });
}

/** @type {import("./table.js").Column<Queue>[]} */
const COLUMNS = [
  { label: "Pipeline", class: "grow", cell: ({ pipeline }) => pipelineLink(pipeline) },
  {
    label: "Jobs",
    cell: (queue) => (queue.total_size === undefined ? "more than " : "") + count(queue.total_size ?? 10_000, "job"),
  },
  { label: "Waits since", cell: ({ oldest_at: at }) => ago(at) },
  ...AGES.map(({ age, label }) => ({
    label: label[0].toUpperCase() + label.slice(1),
    cell: (/** @type {Queue} */ { ages }) => ages[age].toLocaleString("en"),
  })),
];
