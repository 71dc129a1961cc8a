// Create, edit, and delete a pipeline.

import { call, get, path, remove } from "../api.js";
import { may } from "../caller.js";
import { confirmDialog } from "../components/confirm.js";
import { conflictNotice } from "../components/conflict.js";
import { openDialog } from "../components/dialog.js";
import { checkField, textArea, textField } from "../components/fields.js";
import { form } from "../components/form.js";
import { toast } from "../components/toast.js";
import { count, name, sentence, together } from "../dom.js";
import { address, go } from "../router.js";

const NAME_TAKEN = { ALREADY_EXISTS: "name" };
const MOST_COUNTED = 10_000;
const MOST_NAMED = 5;

/** Create one, and go to it: what is to be done next is there. */
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
    send: async (values) => dialog.close((await call("POST", "/flow/pipeline", { body: values })).body.pipeline),
  });
  const dialog = openDialog({ title: "Create a pipeline", content: creating.element, unsaved: creating.unsaved });
  const made = await dialog.closed;
  if (!made) return;
  await go(address(path`/pipelines/${made.id}`));
  toast(sentence`${made.name} is there. Copy its ID, or give a group access.`);
}

/** Rename and describe one; answers what it became, or null. */
export async function editPipeline(id) {
  const where = path`/flow/pipeline/${id}`;
  let { body, tag } = await call("GET", where);
  const title = textField("name", "Name", { value: body.pipeline.name });
  const description = textArea("description", "Description", {
    value: body.pipeline.description,
    rows: 5,
    optional: true,
  });
  const editing = form({
    fields: [title, description],
    submit: "Save",
    blame: NAME_TAKEN,
    cancel: () => dialog.close(null),
    send: async (values) => dialog.close((await call("PATCH", where, { body: values, ifMatch: tag })).body.pipeline),
    conflict: async () => {
      ({ body, tag } = await call("GET", where));
      const theirs = body.pipeline;
      return conflictNotice({
        says: "Somebody else has changed this pipeline meanwhile.",
        rows: [
          { label: "Name", theirs: theirs.name, yours: title.value() },
          { label: "Description", theirs: theirs.description, yours: description.value() },
        ],
        keep: () => (editing.alert(), title.focus()),
        take: () => (title.set(theirs.name), description.set(theirs.description), editing.alert(), title.focus()),
      });
    },
  });
  const dialog = openDialog({ title: "Edit the pipeline", content: editing.element, unsaved: editing.unsaved });
  const saved = await dialog.closed;
  if (saved) toast(sentence`${saved.name} is saved.`);
  return saved;
}

/** Delete one, after saying what goes with it; answers whether it was deleted. */
export async function deletePipeline({ id }) {
  const where = path`/flow/pipeline/${id}`;
  const { body, tag } = await call("GET", where);
  const { pipeline } = body;
  const [jobs, grants] = await Promise.all([
    countJobs(where),
    may(pipeline, "manage_pipelines") ? everyGrant(where) : null,
  ]);
  const force =
    jobs.number > 0 &&
    checkField("force", `Take ${jobs.says} out and delete it`, {
      hint: "The jobs themselves stay, and stay in their other pipelines.",
    });
  const done = await confirmDialog({
    title: "Delete this pipeline?",
    intro: sentence`${pipeline.name} will be gone for good, and its ID with it. This can't be undone.`,
    consequences: [
      jobs.number === 0 ? "No jobs are in it." : `${capital(jobs.says)} will no longer be in it.`,
      whoLoses(grants),
    ],
    submit: "Delete pipeline",
    fields: force ? [force] : [],
    // Without the box ticked it is for the API to refuse, as it does when jobs have come meanwhile.
    run: ({ force: forced }) => remove(where, { query: { force: forced ? "true" : "" }, ifMatch: tag }),
    blame: { FAILED_PRECONDITION: "force" },
  });
  if (done) toast(sentence`${pipeline.name} is deleted.`);
  return done;
}

async function countJobs(where) {
  let number = 0;
  let token = null;
  do {
    const page = await get(`${where}/jobs`, { page_size: 1000, page_token: token });
    number += page.jobs.length;
    token = page.next_page_token;
  } while (token && number < MOST_COUNTED);
  return { number, says: token ? `more than ${count(number, "job")}` : count(number, "job") };
}

async function everyGrant(where) {
  const { grants, next_page_token: more } = await get(`${where}/grants`, { page_size: 1000 });
  return { grants, more: Boolean(more) };
}

function whoLoses(found) {
  if (found === null) return "Everyone who was given access to it loses that.";
  const { grants, more } = found;
  if (grants.length === 0) return "Nobody was given access to it.";
  const named = grants
    .slice(0, MOST_NAMED)
    .map(({ group, username }) => (group ? sentence`the group ${group}` : name(username)));
  const others = grants.length - named.length;
  if (more) named.push("more than a thousand others");
  else if (others > 0) named.push(count(others, "other"));
  return ["Access to it is lost by ", together(named), "."];
}

const capital = (text) => text[0].toUpperCase() + text.slice(1);
