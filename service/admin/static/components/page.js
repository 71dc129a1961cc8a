// The top of each page.

import { h } from "../dom.js";

/** @import { Child } from "../dom.js" */

/**
 * Make the head of a page: the heading, what stands beside it, and what can be done.
 *
 * @param {Child} title
 * @param {{back?: Child, beside?: Child, lead?: Child, actions?: Child}} [options]
 */
export function pageHeader(title, { back = null, beside = [], lead = null, actions = [] } = {}) {
  return h(
    "header",
    { class: "page-header" },
    back && h("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, back),
    h(
      "div",
      { class: "page-title" },
      h("h1", { tabindex: "-1" }, title),
      beside,
      h("div", { class: "actions" }, actions),
    ),
    lead && h("div", { class: "lead" }, lead),
  );
}

/**
 * List facts, each with its name.
 *
 * @param {([label: string, ...value: Child[]] | false | undefined)[]} pairs
 */
export function facts(...pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs
      .filter((pair) => pair !== false && pair !== undefined)
      .map(([label, ...value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
  );
}
