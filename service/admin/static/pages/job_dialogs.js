// Rename a job, and forget it.

import { call, remove } from "../api.js";
import { confirmDialog } from "../components/confirm.js";
import { conflictNotice } from "../components/conflict.js";
import { openDialog } from "../components/dialog.js";
import { textField } from "../components/fields.js";
import { form } from "../components/form.js";
import { toast } from "../components/toast.js";
import { name, sentence, together } from "../dom.js";

/** Rename one; answers what it became, or null. */
export async function renameJob(where) {
  let { body, tag } = await call("GET", where);
  const text = textField("name", "Name", { value: body.job.name, hint: "For people. The ID stays." });
  const renaming = form({
    fields: [text],
    submit: "Save",
    cancel: () => dialog.close(null),
    send: async (values) => dialog.close((await call("PUT", where, { body: values, ifMatch: tag })).body.job),
    conflict: async () => {
      ({ body, tag } = await call("GET", where));
      return conflictNotice({
        says: "Somebody else has changed this job meanwhile.",
        rows: [{ label: "Name", theirs: body.job.name, yours: text.value() }],
        keep: () => (renaming.alert(), text.focus()),
        take: () => (text.set(body.job.name), renaming.alert(), text.focus()),
      });
    },
  });
  const dialog = openDialog({ title: "Rename the job", content: renaming.element, unsaved: renaming.unsaved });
  const saved = await dialog.closed;
  if (saved) toast("The job is renamed.");
  return saved;
}

/** Forget one, after saying what goes with it; answers whether it was. */
export async function forgetJob(where, job) {
  const { body, tag } = await call("GET", where);
  const infos = body.job.flow_pipeline_infos;
  const done = await confirmDialog({
    title: "Forget this job?",
    intro: sentence`The job ${job.name || job.id} is no longer known here. What the job runner has of it stays there.`,
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
