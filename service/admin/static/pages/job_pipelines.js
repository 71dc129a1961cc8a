// The pipelines that one job is in, and changing them.

import { call } from "../api.js";
import { isCaller, may, seesEveryPipeline } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { searchPipelines } from "../components/choices.js";
import { combobox } from "../components/combobox.js";
import { conflictNotice } from "../components/conflict.js";
import { isStale } from "../components/form.js";
import { badge, identifierText, pipelineLink } from "../components/inline.js";
import { failure } from "../components/states.js";
import { toast } from "../components/toast.js";
import { count, focusFirst, h, identifier, replace } from "../dom.js";

/** @import { Job, PipelineItem } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */

/**
 * The pipelines of a job, with what the caller may do on each, and the tag that a change is bound to.
 *
 * @typedef {{pipelines: PipelineItem[], tag: string | null}} Placed
 */

/**
 * Fetch the pipelines of a job.
 *
 * @param {string} id
 * @returns {Promise<Placed>}
 */
export async function pipelinesOf(id) {
  /** @type {{body: {pipelines: PipelineItem[]}, tag: string | null}} */
  const { body, tag } = await call("GET", "/jobs/pipelines", { query: { job_id: id } });
  return { pipelines: body.pipelines, tag };
}

/**
 * Make an editor of the set of pipelines, changed here and saved at once: all or nothing, as the API does it.
 *
 * @param {Job} job
 * @param {Placed} placed
 */
export function pipelineEditor(job, { pipelines, tag: firstTag }) {
  const owns = isCaller(job.owner);
  let tag = firstTag;
  let saved = inOrderOf(job, pipelines);
  let wanted = [...saved];
  const list = h("ul", { class: "items", "aria-label": "Pipelines of this job" });
  const alert = h("div", { role: "alert" });
  const adder = pipelineAdder(() => wanted, show);
  const bar = saveBar(store, () => take(saved));
  const element = h("section", { class: "card" }, h("h2", {}, "Pipelines"), alert, list, adder.element, bar.element);
  const unsaved = () => ids(wanted) !== ids(saved);

  /** @param {PipelineItem[]} next */
  function show(next) {
    wanted = next;
    const none = h("li", { class: "none" }, "It is in no pipeline, so no reviewer is led to it.");
    replace(list, wanted.length > 0 ? wanted.map(item) : none);
    bar.update(changes(saved, wanted, owns), unsaved());
  }

  /** @param {PipelineItem[]} next */
  function take(next) {
    show([...next]);
    adder.focus();
  }

  /** @param {PipelineItem} pipeline */
  const item = (pipeline) =>
    pipelineRow(pipeline, {
      fresh: !has(saved, pipeline.id),
      owns,
      takeOut: () => take(wanted.filter(({ id }) => id !== pipeline.id)),
    });

  async function store() {
    replace(alert);
    try {
      const body = { job_id: job.id, pipeline_ids: wanted.map(({ id }) => id) };
      await call("POST", "/jobs/pipelines", { body, ifMatch: tag });
      ({ tag } = await pipelinesOf(job.id));
      saved = wanted;
      take(saved);
      toast("The job's pipelines are saved.");
    } catch (error) {
      replace(alert, isStale(error) ? await conflict() : failure(error));
      focusFirst(alert, "button");
    }
  }

  async function conflict() {
    const now = await pipelinesOf(job.id);
    tag = now.tag;
    /** @type {(next: PipelineItem[], place: {focus: () => void}) => void} */
    const settle = (next, place) => {
      saved = now.pipelines;
      replace(alert);
      show([...next]);
      place.focus();
    };
    return conflictNotice({
      message: "Somebody else has changed this job's pipelines meanwhile.",
      rows: [{ label: "Pipelines", theirs: names(now.pipelines), yours: names(wanted) }],
      keep: () => settle(wanted, bar),
      take: () => settle(now.pipelines, adder),
    });
  }

  show(wanted);
  return { element, unsaved };
}

/**
 * Return the pipelines in the job's own order, which the API keeps, and then those that it does not name any more.
 *
 * @param {Job} job
 * @param {PipelineItem[]} pipelines
 */
function inOrderOf(job, pipelines) {
  const named = job.flow_pipeline_infos.flatMap(({ id }) => pipelines.filter((each) => each.id === id));
  return job.unlisted_pipelines ? [...new Set([...named, ...pipelines])] : named;
}

/**
 * Make the bar that tells what is not saved yet, with the buttons that save and undo it.
 *
 * @param {() => Promise<void>} store
 * @param {() => void} undo
 */
function saveBar(store, undo) {
  const status = h("p", { class: "muted", role: "status" });
  const save = button(
    "Save",
    async () => {
      save.setAttribute("aria-disabled", "true");
      await store().finally(() => save.removeAttribute("aria-disabled"));
    },
    { kind: "primary" },
  );
  const buttons = [button("Undo", undo), save];
  return {
    element: h("div", { class: "save-bar" }, status, buttons),
    focus: () => save.focus(),
    /**
     * @param {Child} message
     * @param {boolean} unsaved
     */
    update(message, unsaved) {
      replace(status, message);
      for (const each of buttons) each.hidden = !unsaved;
    },
  };
}

/**
 * Make a field that adds pipelines on which the caller may execute.
 *
 * @param {() => PipelineItem[]} current
 * @param {(next: PipelineItem[]) => void} show
 */
function pipelineAdder(current, show) {
  const search = searchPipelines("execute");
  const box = combobox({
    label: "Pipeline",
    placeholder: "Search by name",
    search: async (text, signal) => (await search(text, signal)).filter(({ value }) => !has(current(), value)),
    pick: (choice) => {
      if (!choice) return;
      show([...current(), choice.pipeline]);
      box.clear();
    },
  });
  box.input.id = identifier("add");
  return {
    element: h("div", { class: "field" }, h("label", { for: box.input.id }, "Put it into"), box.element),
    focus: () => box.input.focus(),
  };
}

/**
 * @param {PipelineItem} pipeline
 * @param {object} options
 * @param {boolean} options.fresh whether it is not saved yet
 * @param {boolean} options.owns whether the job is the caller's
 * @param {() => void} options.takeOut
 */
function pipelineRow(pipeline, { fresh, owns, takeOut }) {
  const removable = fresh || owns || may(pipeline, "execute");
  return h(
    "li",
    { class: fresh ? "fresh" : "" },
    h("span", { class: "two-lines" }, pipelineLink(pipeline), identifierText(pipeline.id)),
    fresh && badge("New", "accent"),
    removable && iconButton("close", `Take it out of ${pipeline.name}`, takeOut),
  );
}

/**
 * Tell what saving will change.
 *
 * @param {PipelineItem[]} saved
 * @param {PipelineItem[]} wanted
 * @param {boolean} owns whether the job is the caller's
 */
function changes(saved, wanted, owns) {
  const added = wanted.filter(({ id }) => !has(saved, id)).length;
  const removed = saved.filter(({ id }) => !has(wanted, id)).length;
  const each = [
    added > 0 ? `put into ${count(added, "pipeline")}` : "",
    removed > 0 ? `taken out of ${count(removed, "pipeline")}` : "",
  ].filter(Boolean);
  if (each.length === 0) return "";
  const unseen = owns && !seesEveryPipeline();
  return [
    `Not saved yet: it will be ${each.join(" and ")}.`,
    unseen && " If it is in pipelines that you can't see, it is taken out of those too.",
  ];
}

/**
 * @param {PipelineItem[]} set
 * @param {string} id
 */
const has = (set, id) => set.some((each) => each.id === id);

/** @param {PipelineItem[]} set */
const ids = (set) => set.map(({ id }) => id).join();

/** @param {PipelineItem[]} set */
const names = (set) => set.map(({ name }) => name).join(", ");
