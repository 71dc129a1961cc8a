// Tabs: links to the views of one thing.

import { h } from "../dom.js";
import { address } from "../router.js";

/** @typedef {{tab: string, to: string, label: string}} Tab */

/**
 * @param {string} label
 * @param {string} current
 * @param {Tab[]} all
 */
export const tabs = (label, current, all) =>
  h(
    "nav",
    { class: "tabs", "aria-label": label },
    all.map((each) => h("a", { href: address(each.to), "aria-current": each.tab === current && "page" }, each.label)),
  );
