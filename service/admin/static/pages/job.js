// One job, and the pipelines it is in.

import { get, path } from "../api.js";
import { mayChangeJob } from "../caller.js";
import { button } from "../components/buttons.js";
import { copyButton } from "../components/copy.js";
import { identifierText, personLink } from "../components/inline.js";
import { facts, pageHeader } from "../components/page.js";
import { failure } from "../components/states.js";
import { h, name, replace } from "../dom.js";
import { address, go, refresh } from "../router.js";
import { time } from "../time.js";
import { forgetJob, renameJob } from "./job_dialogs.js";
import { pipelineEditor, pipelinesOf } from "./job_pipelines.js";

/** @import { Job } from "../../answers.d.ts" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export async function jobPage(view) {
  const where = path`/jobs/${view.params.id}`;
  const all = h("a", { href: address("/jobs") }, "Jobs");
  /** @type {Job} */
  let job;
  let placed;
  try {
    /** @type {Promise<{job: Job}>} */
    const asked = get(where, {}, view.signal);
    [{ job }, placed] = await Promise.all([asked, pipelinesOf(view.params.id)]);
  } catch (error) {
    return { title: "Job", content: [pageHeader("Job", { back: all }), failure(error, refresh)] };
  }
  const editor = pipelineEditor(job, placed);
  const title = h("span", {}, name(job.name || job.id));
  let forgotten = false;
  view.guard(() => !forgotten && editor.unsaved());
  const rename = async () => {
    const renamed = await renameJob(where);
    if (renamed) replace(title, name(renamed.name || renamed.id)); // only this: the pipelines may be changed and unsaved
  };
  const forget = async () => {
    forgotten = await forgetJob(where, job);
    if (forgotten) await go(address("/jobs"));
  };
  const actions = mayChangeJob(job)
    ? [
        button("Rename", rename, { symbol: "edit" }),
        button("Forget", forget, { kind: "quiet danger", symbol: "trash" }),
      ]
    : [];
  return {
    title: job.name || job.id,
    content: [
      pageHeader(title, { back: all, actions }),
      h(
        "div",
        { class: "id-card" },
        h("div", {}, h("span", { class: "label" }, "Job ID"), identifierText(job.id)),
        copyButton(job.id, `Copy the ID of job ${job.id}`, { label: "Copy ID" }),
      ),
      facts(["Owner", personLink(job.owner)], ["Registered", time(job.created_at)]),
      editor.element,
    ],
  };
}
