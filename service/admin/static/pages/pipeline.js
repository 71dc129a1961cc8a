// What the views of one pipeline share: its head, and the tabs.

import { get, path } from "../api.js";
import { isAdministrator, may } from "../caller.js";
import { button } from "../components/buttons.js";
import { copyButton } from "../components/copy.js";
import { badge, identifierText } from "../components/inline.js";
import { facts, pageHeader } from "../components/page.js";
import { failure } from "../components/states.js";
import { tabs } from "../components/tabs.js";
import { h, name } from "../dom.js";
import { control, follow, ofPipeline } from "../follow.js";
import { permissionLabels } from "../labels.js";
import { address, go, refresh } from "../router.js";
import { time } from "../time.js";
import { deletePipeline, editPipeline } from "./pipeline_dialogs.js";

/** @import { Pipeline } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { View } from "../router.js" */

/** @typedef {"access" | "queue" | "who"} Tab */

/**
 * Show one tab.
 *
 * @param {View} view
 * @param {Tab} tab
 * @param {(pipeline: Pipeline, where: string) => Promise<Child>} draw makes the content of the tab; where is the API's
 *   path of the pipeline
 */
export async function pipelineView(view, tab, draw) {
  const where = path`/flow/pipeline/${view.params.id}`;
  /** @type {Pipeline} */
  let pipeline;
  try {
    ({ pipeline } = await get(where, {}, view.signal));
  } catch (error) {
    return missing(error);
  }
  const content = await draw(pipeline, where);
  follow(view, ofPipeline(pipeline.id), refresh, control);
  return { title: pipeline.name, content: [head(pipeline), tabsOf(pipeline, tab), content] };
}

/** @param {unknown} error */
function missing(error) {
  const all = h("a", { href: address("/pipelines") }, "Pipelines");
  return { title: "Pipeline", content: [pageHeader("Pipeline", { back: all }), failure(error, refresh)] };
}

/** @param {Pipeline} pipeline */
function head(pipeline) {
  const actions = [
    may(pipeline, "write") &&
      button("Edit", async () => (await editPipeline(pipeline.id)) && refresh(), { symbol: "edit" }),
    may(pipeline, "delete") &&
      button("Delete", async () => (await deletePipeline(pipeline)) && go(address("/pipelines")), {
        kind: "quiet danger",
        symbol: "trash",
      }),
  ];
  const history = h("a", { href: address("/audit", { target: `pipeline:${pipeline.id}` }) }, "See its changes");
  return [
    pageHeader(name(pipeline.name), {
      back: h("a", { href: address("/pipelines") }, "Pipelines"),
      beside: pipeline.is_manager && badge("Manager", "accent"),
      lead: pipeline.description ? h("p", { class: "description", dir: "auto" }, pipeline.description) : null,
      actions,
    }),
    h(
      "div",
      { class: "id-card" },
      h("div", {}, h("span", { class: "label" }, "Pipeline ID"), identifierText(pipeline.id)),
      copyButton(pipeline.id, `Copy the ID of ${pipeline.name}`, { label: "Copy ID" }),
    ),
    facts(
      ["Your permissions", permissionLabels(pipeline.permissions)],
      ["Created", time(pipeline.created_at)],
      ["Last changed", time(pipeline.updated_at)],
      isAdministrator() && ["Audit", history],
    ),
  ];
}

/**
 * @param {Pipeline} pipeline
 * @param {Tab} current
 */
function tabsOf(pipeline, current) {
  const base = path`/pipelines/${pipeline.id}`;
  const manages = may(pipeline, "manage_pipelines");
  const access = { tab: "access", to: base, label: "Access" };
  const all = [
    ...(manages ? [access] : []),
    { tab: "queue", to: manages ? `${base}/queue` : base, label: "Queue" },
    { tab: "who", to: `${base}/who`, label: manages ? "Who has access" : "My access" },
  ];
  return tabs("Of this pipeline", current, all);
}
