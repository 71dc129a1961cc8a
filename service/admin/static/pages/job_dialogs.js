// Rename a job, and forget it.

import { call, remove } from "../api.js";
import { confirmDialog } from "../components/confirm.js";
import { openDialog } from "../components/dialog.js";
import { textField } from "../components/fields.js";
import { form } from "../components/form.js";
import { toast } from "../components/toast.js";
import { name, sentence, together } from "../dom.js";

/** @import { Job } from "../../answers.d.ts" */
/** @import { Dialog } from "../components/dialog.js" */

/**
 * Fetch a job as it is now, and the tag that a change is bound to.
 *
 * @param {string} where
 */
async function present(where) {
  /** @type {{body: {job: Job}, tag: string | null}} */
  const { body, tag } = await call("GET", where);
  return { job: body.job, tag };
}

/**
 * Rename a job; return what it became, or null.
 *
 * @param {string} where
 */
export async function renameJob(where) {
  let { job, tag } = await present(where);
  const text = textField("name", "Name", { value: job.name, hint: "For people. The ID stays." });
  const renaming = form({
    fields: [text],
    submit: "Save",
    cancel: () => dialog.close(null),
    send: async (values) => {
      /** @type {{body: {job: Job}}} */
      const { body } = await call("PUT", where, { body: values, ifMatch: tag });
      dialog.close(body.job);
    },
    conflict: async () => {
      ({ job, tag } = await present(where));
      return {
        message: "Somebody else has changed this job meanwhile.",
        rows: [{ label: "Name", theirs: job.name, yours: text.value() }],
        take: () => text.set(job.name),
        focus: text.focus,
      };
    },
  });
  /** @type {Dialog<Job>} */
  const dialog = openDialog({ title: "Rename the job", content: renaming.element, unsaved: renaming.unsaved });
  const saved = await dialog.closed;
  if (saved) toast("The job is renamed.");
  return saved;
}

/**
 * Forget a job, after telling what goes with it; return whether it was forgotten.
 *
 * @param {string} where
 * @param {Job} shown
 */
export async function forgetJob(where, shown) {
  const { job, tag } = await present(where);
  const infos = job.flow_pipeline_infos;
  const done = await confirmDialog({
    title: "Forget this job?",
    intro: sentence`The job ${shown.name || shown.id} is no longer known here. What the job runner has of it stays there.`,
    consequences: [
      infos.length === 0
        ? "It is in no pipeline that you can see."
        : ["It is taken out of ", together(infos.map((info) => name(info.name))), ". The pipelines stay."],
    ],
    submit: "Forget the job",
    run: () => remove(where, { ifMatch: tag }),
  });
  if (done) toast("The job is forgotten.");
  return done;
}
