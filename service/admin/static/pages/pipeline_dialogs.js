// Create, edit, and delete a pipeline.

import { call, get, path, post, remove } from "../api.js";
import { may } from "../caller.js";
import { confirmDialog } from "../components/confirm.js";
import { openDialog } from "../components/dialog.js";
import { checkField, textArea, textField } from "../components/fields.js";
import { form } from "../components/form.js";
import { toast } from "../components/toast.js";
import { count, name, sentence, together } from "../dom.js";
import { address, go } from "../router.js";

/** @import { Grant, Page, Pipeline, QueuedJob } from "../../answers.d.ts" */
/** @import { Dialog } from "../components/dialog.js" */
/** @import { Child } from "../dom.js" */

const NAME_TAKEN = { ALREADY_EXISTS: "name" };
const MAX_COUNTED = 10_000;
const MAX_NAMED = 5;

/**
 * Fetch a pipeline as it is now, and the tag that a change is bound to.
 *
 * @param {string} where
 */
async function present(where) {
  /** @type {{body: {pipeline: Pipeline}, tag: string | null}} */
  const { body, tag } = await call("GET", where);
  return { pipeline: body.pipeline, tag };
}

/** Create a pipeline, and go to it: what is to be done next is there. */
export async function createPipeline() {
  const creating = form({
    fields: [
      textField("name", "Name", { hint: "As the reviewers should read it. It can be changed later; the ID stays." }),
      textArea("description", "Description", {
        optional: true,
        hint: "What it is for, or what its reviewers should know.",
      }),
    ],
    submit: "Create pipeline",
    blame: NAME_TAKEN,
    cancel: () => dialog.close(null),
    send: async (values) => {
      /** @type {{pipeline: Pipeline}} */
      const { pipeline } = await post("/flow/pipeline", values);
      dialog.close(pipeline);
    },
  });
  /** @type {Dialog<Pipeline>} */
  const dialog = openDialog({ title: "Create a pipeline", content: creating.element, unsaved: creating.unsaved });
  const made = await dialog.closed;
  if (!made) return;
  await go(address(path`/pipelines/${made.id}`));
  toast(sentence`${made.name} is created. Copy its ID, or give a group access.`);
}

/**
 * Rename and describe a pipeline; return what it became, or null.
 *
 * @param {string} id
 */
export async function editPipeline(id) {
  const where = path`/flow/pipeline/${id}`;
  let { pipeline, tag } = await present(where);
  const title = textField("name", "Name", { value: pipeline.name });
  const description = textArea("description", "Description", {
    value: pipeline.description,
    rows: 5,
    optional: true,
  });
  const editing = form({
    fields: [title, description],
    submit: "Save",
    blame: NAME_TAKEN,
    cancel: () => dialog.close(null),
    send: async (values) => {
      /** @type {{body: {pipeline: Pipeline}}} */
      const { body } = await call("PATCH", where, { body: values, ifMatch: tag });
      dialog.close(body.pipeline);
    },
    conflict: async () => {
      ({ pipeline, tag } = await present(where));
      const { name: theirName, description: theirDescription } = pipeline;
      return {
        message: "Somebody else has changed this pipeline meanwhile.",
        rows: [
          { label: "Name", theirs: theirName, yours: title.value() },
          { label: "Description", theirs: theirDescription, yours: description.value() },
        ],
        take: () => {
          title.set(theirName);
          description.set(theirDescription);
        },
        focus: title.focus,
      };
    },
  });
  /** @type {Dialog<Pipeline>} */
  const dialog = openDialog({ title: "Edit the pipeline", content: editing.element, unsaved: editing.unsaved });
  const saved = await dialog.closed;
  if (saved) toast(sentence`${saved.name} is saved.`);
  return saved;
}

/**
 * Delete a pipeline, after telling what goes with it; return whether it was deleted.
 *
 * @param {{id: string}} pipeline
 */
export async function deletePipeline({ id }) {
  const where = path`/flow/pipeline/${id}`;
  const { pipeline, tag } = await present(where);
  const [jobs, grants] = await Promise.all([
    countJobs(where),
    may(pipeline, "manage_pipelines") ? everyGrant(where) : null,
  ]);
  const force = checkField("force", `Take ${jobs.label} out and delete it`, {
    hint: "The jobs themselves stay, and stay in their other pipelines.",
  });
  const done = await confirmDialog({
    title: "Delete this pipeline?",
    intro: sentence`${pipeline.name} will be gone for good, and its ID with it. This can't be undone.`,
    consequences: [
      jobs.number === 0 ? "No jobs are in it." : `${capital(jobs.label)} will no longer be in it.`,
      whoLoses(grants),
    ],
    submit: "Delete pipeline",
    fields: jobs.number > 0 ? [force] : [],
    // Without the box ticked it is for the API to refuse, as it does when jobs have come meanwhile.
    run: ({ force: forced }) => remove(where, { query: { force: forced ? "true" : "" }, ifMatch: tag }),
    blame: { FAILED_PRECONDITION: "force" },
  });
  if (done) toast(sentence`${pipeline.name} is deleted.`);
  return done;
}

/**
 * Count the jobs of a pipeline, as far as that says something.
 *
 * @param {string} where
 */
async function countJobs(where) {
  let number = 0;
  /** @type {string | undefined} */
  let token;
  do {
    /** @type {Page & {jobs: QueuedJob[]}} */
    const page = await get(`${where}/jobs`, { page_size: 1000, page_token: token });
    number += page.jobs.length;
    token = page.next_page_token;
  } while (token && number < MAX_COUNTED);
  return { number, label: token ? `more than ${count(number, "job")}` : count(number, "job") };
}

/** @param {string} where */
async function everyGrant(where) {
  /** @type {Page & {grants: Grant[]}} */
  const { grants, next_page_token: more } = await get(`${where}/grants`, { page_size: 1000 });
  return { grants, more: Boolean(more) };
}

/** @param {{grants: Grant[], more: boolean} | null} found */
function whoLoses(found) {
  if (found === null) return "Everyone who was given access to it loses that.";
  const { grants, more } = found;
  if (grants.length === 0) return "Nobody was given access to it.";
  /** @type {Child[]} */
  const named = grants
    .slice(0, MAX_NAMED)
    .map(({ group, username }) => (group === null ? name(username) : sentence`the group ${group}`));
  const others = grants.length - named.length;
  if (more) named.push("more than a thousand others");
  else if (others > 0) named.push(count(others, "other"));
  return ["Access to it is lost by ", together(named), "."];
}

/** @param {string} text */
const capital = (text) => text[0].toUpperCase() + text.slice(1);
