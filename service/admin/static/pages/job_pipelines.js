// The pipelines that one job is in, and changing them.

import { call } from "../api.js";
import { isCaller, may, seesEveryPipeline } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { searchPipelines } from "../components/choices.js";
import { combobox } from "../components/combobox.js";
import { conflictNotice } from "../components/conflict.js";
import { badge, identifierText, pipelineLink } from "../components/labels.js";
import { failure } from "../components/states.js";
import { toast } from "../components/toast.js";
import { count, h, identifier, replace } from "../dom.js";

/** The pipelines that a job is in, with what the caller may do on each, and the tag that a change is bound to. */
export async function pipelinesOf(id) {
  const { body, tag } = await call("GET", "/jobs/pipelines", { query: { job_id: id } });
  return { pipelines: body.pipelines, tag };
}

/** The set of pipelines, changed here and saved at once: all or nothing, as the API does it. */
export function pipelineEditor(job, { pipelines, tag: firstTag }) {
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
    search: async (text, signal) =>
      (await searchPipelines("execute")(text, signal)).filter(({ value }) => !has(wanted, value)),
    pick: (choice) => choice && (show([...wanted, choice.pipeline]), box.clear()),
  });
  box.input.id = identifier("add");
  const adding = h("div", { class: "field" }, h("label", { for: box.input.id }, "Put it into"), box.element);
  const element = h(
    "section",
    { class: "card" },
    h("h2", {}, "Pipelines"),
    alert,
    list,
    adding,
    h("div", { class: "save-bar" }, status, undo, save),
  );
  const unsaved = () => ids(wanted) !== ids(saved);

  function show(next) {
    wanted = next;
    replace(
      list,
      wanted.length > 0
        ? wanted.map(item)
        : h("li", { class: "none" }, "It is in no pipeline, so no reviewer is led to it."),
    );
    const added = wanted.filter(({ id }) => !has(saved, id)).length;
    const removed = saved.filter(({ id }) => !has(wanted, id)).length;
    const changes = [
      added && `put into ${count(added, "pipeline")}`,
      removed && `taken out of ${count(removed, "pipeline")}`,
    ].filter(Boolean);
    replace(
      status,
      changes.length > 0 ? `Not saved yet: it will be ${changes.join(" and ")}.` : "",
      changes.length > 0 &&
        owns &&
        !seesEveryPipeline() &&
        " If it is in pipelines that you can't see, it is taken out of those too.",
    );
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
      fresh && badge("New", "accent"),
      removable && iconButton("close", `Take it out of ${pipeline.name}`, take),
    );
  }

  async function store() {
    save.setAttribute("aria-disabled", "true");
    replace(alert);
    try {
      await call("POST", "/jobs/pipelines", {
        body: { job_id: job.id, pipeline_ids: wanted.map(({ id }) => id) },
        ifMatch: tag,
      });
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
