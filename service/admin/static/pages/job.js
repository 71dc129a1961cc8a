// One job, and the pipelines it is in.

import { call, get, path, remove } from "../api.js";
import { isCaller, may, mayChangeJob, seesEveryPipeline } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { searchPipelines } from "../components/choices.js";
import { combobox } from "../components/combobox.js";
import { confirmDialog } from "../components/confirm.js";
import { conflictNotice } from "../components/conflict.js";
import { copyButton } from "../components/copy.js";
import { openDialog } from "../components/dialog.js";
import { textField } from "../components/fields.js";
import { form } from "../components/form.js";
import { identifierText, pipelineLink } from "../components/labels.js";
import { facts, pageHeader } from "../components/page.js";
import { empty, failure } from "../components/states.js";
import { toast } from "../components/toast.js";
import { count, h, identifier, name, replace, sentence } from "../dom.js";
import { address, go, refresh } from "../router.js";
import { time } from "../time.js";

export async function jobPage(view) {
  const where = path`/jobs/${view.params.id}`;
  const all = h("a", { href: address("/jobs") }, "Jobs");
  let job;
  let placed;
  try {
    [{ job }, placed] = await Promise.all([get(where, {}, view.signal), pipelinesOf(view.params.id)]);
  } catch (error) {
    return { title: "Job", content: [pageHeader("Job", { back: all }), failure(error, refresh)] };
  }
  const editor = pipelineEditor(job, placed);
  view.guard(editor.unsaved);
  const actions = mayChangeJob(job) && [
    button("Rename", () => rename(where), { symbol: "edit" }),
    button("Forget", () => forgetJob(where, job), { kind: "quiet danger", symbol: "trash" }),
  ];
  return {
    title: job.name || job.id,
    content: [
      pageHeader(name(job.name || job.id), { back: all, actions: actions || [] }),
      h("div", { class: "id-card" }, h("div", {}, h("span", { class: "label" }, "Job ID"), identifierText(job.id)), copyButton(job.id, `Copy the ID of job ${job.id}`, { label: "Copy ID" })),
      facts(["Owner", name(job.owner)], ["Registered", time(job.created_at)]),
      editor.element,
    ],
  };
}

/** The pipelines that a job is in, with what the caller may do on each, and the tag that a change is bound to. */
async function pipelinesOf(id) {
  const { body, tag } = await call("GET", "/jobs/pipelines", { query: { job_id: id } });
  return { pipelines: body.pipelines, tag };
}

/** The set of pipelines, changed here and saved at once: all or nothing, as the API does it. */
function pipelineEditor(job, { pipelines, tag: firstTag }) {
  const owns = isCaller(job.owner);
  let tag = firstTag;
  // In the job's own order, which the API keeps.
  let saved = job.flow_pipeline_infos.map(({ id }) => pipelines.find((each) => each.id === id)).filter(Boolean);
  let wanted = [...saved];
  const list = h("ul", { class: "items", "aria-label": "Pipelines of this job" });
  const alert = h("div", { role: "alert" });
  const status = h("p", { class: "muted", role: "status" });
  const save = button("Save", store, { kind: "primary" });
  const undo = button("Undo", () => (show([...saved]), box.input.focus()));
  const box = combobox({
    label: "Pipeline",
    placeholder: "Search by name",
    search: async (text, signal) => (await searchPipelines("execute")(text, signal)).filter(({ value }) => !has(wanted, value)),
    pick: (choice) => choice && (show([...wanted, choice.pipeline]), box.clear()),
  });
  box.input.id = identifier("add");
  const adding = h("div", { class: "field" }, h("label", { for: box.input.id }, "Put it into"), box.element);
  const element = h("section", { class: "card" }, h("h2", {}, "Pipelines"), alert, list, adding, h("div", { class: "save-bar" }, status, undo, save));
  const unsaved = () => ids(wanted) !== ids(saved);

  function show(next) {
    wanted = next;
    replace(list, wanted.length > 0 ? wanted.map(item) : h("li", { class: "none" }, "It is in no pipeline, so no reviewer is led to it."));
    const added = wanted.filter(({ id }) => !has(saved, id)).length;
    const removed = saved.filter(({ id }) => !has(wanted, id)).length;
    const changes = [added && `put into ${count(added, "pipeline")}`, removed && `taken out of ${count(removed, "pipeline")}`].filter(Boolean);
    replace(status, changes.length > 0 ? `Not saved yet: it will be ${changes.join(" and ")}.` : "", changes.length > 0 && owns && !seesEveryPipeline() && " If it is in pipelines that you can't see, it is taken out of those too.");
    for (const each of [save, undo]) each.hidden = !unsaved();
  }

  function item(pipeline) {
    const fresh = !has(saved, pipeline.id);
    const removable = fresh || owns || may(pipeline, "execute");
    const take = () => {
      show(wanted.filter(({ id }) => id !== pipeline.id));
      box.input.focus();
    };
    return h(
      "li",
      { class: fresh ? "fresh" : "" },
      h("span", { class: "two-lines" }, pipelineLink(pipeline), identifierText(pipeline.id)),
      fresh && h("span", { class: "badge accent" }, "New"),
      removable && iconButton("close", `Take it out of ${pipeline.name}`, take),
    );
  }

  async function store() {
    save.setAttribute("aria-disabled", "true");
    replace(alert);
    try {
      await call("POST", "/jobs/pipelines", { body: { job_id: job.id, pipeline_ids: wanted.map(({ id }) => id) }, ifMatch: tag });
      const now = await pipelinesOf(job.id);
      tag = now.tag;
      saved = wanted;
      show([...saved]);
      toast("The job's pipelines are saved.");
      box.input.focus();
    } catch (error) {
      replace(alert, error.status === 412 ? await conflict() : failure(error));
      alert.querySelector("button")?.focus();
    } finally {
      save.removeAttribute("aria-disabled");
    }
  }

  async function conflict() {
    const now = await pipelinesOf(job.id);
    tag = now.tag;
    const say = (set) => set.map(({ name: text }) => text).join(", ");
    return conflictNotice({
      says: "Somebody else has changed this job's pipelines meanwhile.",
      rows: [{ label: "Pipelines", theirs: say(now.pipelines), yours: say(wanted) }],
      keep: () => ((saved = now.pipelines), replace(alert), show(wanted), save.focus()),
      take: () => ((saved = now.pipelines), replace(alert), show([...saved]), box.input.focus()),
    });
  }

  show([...saved]);
  return { element, unsaved };
}

const has = (set, id) => set.some((each) => each.id === id);
const ids = (set) => set.map(({ id }) => id).join();

async function rename(where) {
  let { body, tag } = await call("GET", where);
  const text = textField("name", "Name", { value: body.job.name, hint: "For people. The ID stays." });
  const renaming = form({
    fields: [text],
    submit: "Save",
    cancel: () => dialog.close(false),
    send: async (values) => {
      await call("PUT", where, { body: values, ifMatch: tag });
      dialog.close(true);
    },
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
  if (await dialog.closed) {
    await refresh();
    toast("The job is renamed.");
  }
}

async function forgetJob(where, job) {
  const { body, tag } = await call("GET", where);
  const infos = body.job.flow_pipeline_infos;
  const done = await confirmDialog({
    title: "Forget this job?",
    intro: sentence`The job ${job.name || job.id} is no longer known here. What the job runner has of it stays there.`,
    consequences: [infos.length === 0 ? "It is in no pipeline that you can see." : ["It is taken out of ", infos.flatMap(({ name: text }, index) => [index > 0 && ", ", name(text)]), ". The pipelines stay."]],
    submit: "Forget the job",
    run: () => remove(where, { ifMatch: tag }),
  });
  if (!done) return;
  await go(address("/jobs"));
  toast("The job is forgotten.");
}
