// Somebody else was faster: what is there now, beside what was typed. Nothing is overwritten until a person says so.

import { h } from "../dom.js";
import { button } from "./buttons.js";
import { icon } from "./icons.js";

/**
 * The notice of a conflict.
 *
 * @param rows of {label, theirs, yours}: what is there now, and what was typed
 * @param keep goes on with what was typed
 * @param take goes on with what is there
 */
export function conflictNotice({ says, rows, keep, take }) {
  return h(
    "div",
    { class: "notice conflict" },
    icon("warning"),
    h(
      "div",
      {},
      h("p", { class: "notice-title" }, says),
      h("p", {}, "Nothing has been overwritten. Compare, then decide."),
      h(
        "table",
        { class: "compare" },
        h(
          "thead",
          {},
          h("tr", {}, h("td", {}), h("th", { scope: "col" }, "There now"), h("th", { scope: "col" }, "Yours")),
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
      h("div", { class: "actions" }, button("Go on with mine", keep), button("Take what is there", take)),
    ),
  );
}

const shown = (text) => (text === "" ? h("span", { class: "muted" }, "nothing") : h("bdi", {}, text));
