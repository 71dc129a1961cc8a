// A conflict: what is there now, beside what was typed. Nothing is overwritten until a person decides so.

import { h } from "../dom.js";
import { button } from "./buttons.js";
import { icon } from "./icons.js";

/**
 * A line of the comparison: what is there now, and what was typed.
 *
 * @typedef {{label: string, theirs: string, yours: string}} Comparison
 */

/**
 * Make the notice of a conflict.
 *
 * @param {object} options
 * @param {string} options.message
 * @param {Comparison[]} options.rows
 * @param {() => unknown} options.keep goes on with what was typed
 * @param {() => unknown} options.take goes on with what is there
 */
export function conflictNotice({ message, rows, keep, take }) {
  return h(
    "div",
    { class: "notice conflict" },
    icon("warning"),
    h(
      "div",
      {},
      h("p", { class: "notice-title" }, message),
      h("p", {}, "Nothing has been overwritten. Compare, then decide."),
      h(
        "table",
        { class: "compare" },
        h(
          "thead",
          {},
          h("tr", {}, h("td", {}), h("th", { scope: "col" }, "Saved now"), h("th", { scope: "col" }, "Yours")),
        ),
        h(
          "tbody",
          {},
          rows.map(({ label, theirs, yours }) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, label),
              h("td", {}, shown(theirs)),
              h("td", { class: theirs === yours ? "" : "changed" }, shown(yours)),
            ),
          ),
        ),
      ),
      h("div", { class: "actions" }, button("Keep mine", keep), button("Take theirs", take)),
    ),
  );
}

/** @param {string} text */
const shown = (text) => (text === "" ? h("span", { class: "muted" }, "nothing") : h("bdi", {}, text));
