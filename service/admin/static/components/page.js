// The top of each page.

import { h } from "../dom.js";

/** The heading, what stands beside it, and what can be done. */
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

/** Facts, each with its name. */
export function facts(...pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs.filter(Boolean).map(([label, ...value]) => h("div", {}, h("dt", {}, label), h("dd", {}, value))),
  );
}
