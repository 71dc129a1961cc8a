// Many jobs put into pipelines at once, and taken out of them.

import { path, post, put, remove } from "../api.js";
import { seesEveryPipeline } from "../caller.js";
import { searchPipelines } from "../components/choices.js";
import { selectionForm } from "../components/selection_form.js";
import { chunks, workThrough } from "../components/work.js";
import { count, name, sentence, together } from "../dom.js";

/** @import { Job, PipelineReference } from "../../answers.d.ts" */
/** @import { Failure, Work } from "../components/work.js" */
/** @import { Selection } from "../components/selection.js" */

/** @typedef {"in" | "out"} How */
/** @typedef {{id: string, was: string[], is: string[]}} Change */
/** @typedef {{job: string, pipeline: PipelineReference}} Step */
/** @typedef {{job_id: string, status: string, msg?: string}} Verdict */

const MAX_UPDATES = 500; // in one batch, by the API
const MAX_IDS = 5000; // of pipelines in one batch, by the API
const LANES = 4; // requests at a time
const MAX_NAMED = 3;

/**
 * Make what can be done with jobs that are selected.
 *
 * @param {Selection<Job>} selection
 * @param {(done: unknown) => unknown} changed
 */
export const manyJobs = (selection, changed) =>
  selectionForm({
    label: "Pipeline",
    search: searchPipelines("execute"),
    buttons: [
      [
        "Put in",
        async (chosen) =>
          changed(
            await place(
              selection,
              "in",
              chosen.map(({ pipeline }) => pipeline),
            ),
          ),
      ],
      [
        "Take out",
        async (chosen) =>
          changed(
            await place(
              selection,
              "out",
              chosen.map(({ pipeline }) => pipeline),
            ),
          ),
      ],
    ],
  });

/**
 * @param {Selection<Job>} selection
 * @param {How} how
 * @param {PipelineReference[]} pipelines
 */
async function place(selection, how, pipelines) {
  await selection.refresh(); // what is sent is whole sets, which somebody else may have changed since
  const changes = selection.items
    .map((job) => changeOf(job, how, pipelines))
    .filter(({ was, is }) => was.length !== is.length);
  const same = selection.items.length - changes.length;
  const whole = seesEveryPipeline() && selection.items.every((job) => !job.unlisted_pipelines);
  const done = whole
    ? await workThrough(inBatches(changes, how, pipelines, same))
    : await workThrough(oneByOne(stepsOf(changes, pipelines), how, pipelines));
  return done > 0;
}

/**
 * @param {Job} job
 * @param {How} how
 * @param {PipelineReference[]} pipelines
 * @returns {Change}
 */
function changeOf(job, how, pipelines) {
  const was = job.flow_pipeline_infos.map(({ id }) => id);
  const chosen = pipelines.map(({ id }) => id);
  const is =
    how === "in" ? [...was, ...chosen.filter((id) => !was.includes(id))] : was.filter((id) => !chosen.includes(id));
  return { id: job.id, was, is };
}

/**
 * Return what changes as single steps: one pipeline of one job each.
 *
 * @param {Change[]} changes
 * @param {PipelineReference[]} pipelines
 * @returns {Step[]}
 */
const stepsOf = (changes, pipelines) =>
  changes.flatMap(({ id, was, is }) =>
    pipelines
      .filter((pipeline) => was.includes(pipeline.id) !== is.includes(pipeline.id))
      .map((pipeline) => ({ job: id, pipeline })),
  );

/**
 * Change whole sets in batches, as a caller can who sees all pipelines of each job.
 *
 * @param {Change[]} changes
 * @param {How} how
 * @param {PipelineReference[]} pipelines
 * @param {number} same the number of jobs that were as they are to be
 * @returns {Work<Change>}
 */
function inBatches(changes, how, pipelines, same) {
  /** @type {Change[]} */
  const done = [];
  return {
    title: TITLES[how],
    noun: "job",
    parts: batches(changes),
    name: ({ id }) => id,
    run: async (part) => {
      const updates = part.map(({ id, is }) => ({ job_id: id, pipeline_ids: is }));
      /** @type {{results: Verdict[]}} */
      const { results } = await post("/jobs/pipelines/batch", { updates });
      done.push(...part.filter((_, index) => results[index].status === "OK"));
      return results.flatMap(refusal);
    },
    said: (number) => said(number, how, pipelines, same),
    undo: () =>
      inBatches(
        done.map(({ id, was, is }) => ({ id, was: is, is: was })),
        other(how),
        pipelines,
        0,
      ),
  };
}

/**
 * @param {Verdict} verdict
 * @returns {Failure[]}
 */
const refusal = ({ job_id: what, status, msg = "" }) => (status === "OK" ? [] : [{ what, why: msg }]);

/**
 * Cut changes into batches that the API takes.
 *
 * @param {Change[]} changes
 */
function batches(changes) {
  /** @type {Change[][]} */
  const found = [];
  let room = 0;
  for (const change of changes) {
    const last = found[found.length - 1];
    room -= change.is.length;
    if (last && last.length < MAX_UPDATES && room >= 0) last.push(change);
    else {
      found.push([change]);
      room = MAX_IDS - change.is.length;
    }
  }
  return found;
}

/**
 * Change one pipeline of one job at a time, whatever else the job is in.
 *
 * @param {Step[]} steps
 * @param {How} how
 * @param {PipelineReference[]} pipelines
 * @returns {Work<Step>}
 */
export function oneByOne(steps, how, pipelines) {
  /** @type {Step[]} */
  const done = [];
  return {
    title: TITLES[how],
    noun: "job",
    parts: chunks(steps, 1),
    lanes: LANES,
    name: ({ job }) => job,
    run: async ([step]) => {
      const where = path`/flow/pipeline/${step.pipeline.id}/jobs/${step.job}`;
      await (how === "in" ? put(where) : remove(where));
      done.push(step);
      return [];
    },
    said: (number) => said(number, how, pipelines, 0),
    undo: () => oneByOne(done, other(how), pipelines),
  };
}

/** @type {Record<How, string>} */
const TITLES = { in: "Putting jobs into pipelines", out: "Taking jobs out of pipelines" };

/** @param {How} how */
const other = (how) => (how === "in" ? "out" : "in");

/**
 * @param {number} number
 * @param {How} how
 * @param {PipelineReference[]} pipelines
 * @param {number} same
 */
function said(number, how, pipelines, same) {
  const named = pipelines.slice(0, MAX_NAMED).map((pipeline) => name(pipeline.name));
  if (pipelines.length > MAX_NAMED) named.push(name(count(pipelines.length - MAX_NAMED, "more", "more")));
  const rest = same > 0 ? `; ${count(same, "job")} ${same === 1 ? "was" : "were"} so already` : "";
  return how === "in"
    ? sentence`${[count(number, "job")]} put into ${together(named)}${[rest]}.`
    : sentence`${[count(number, "job")]} taken out of ${together(named)}${[rest]}.`;
}
