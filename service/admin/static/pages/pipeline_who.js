// The access to one pipeline, whatever it comes from; and its explanation for one user.

import { path } from "../api.js";
import { may } from "../caller.js";
import { searchUsers } from "../components/choices.js";
import { combobox } from "../components/combobox.js";
import { filters, selectFilter } from "../components/filters.js";
import { granteeLink, standing } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { empty } from "../components/states.js";
import { h, identifier } from "../dom.js";
import { follow, ofAccess } from "../follow.js";
import { PERMISSIONS } from "../labels.js";
import { address, go } from "../router.js";
import { caller } from "../session.js";
import { pipelineView } from "./pipeline.js";
import { why } from "./why.js";

/** @import { Pipeline, UserAccess } from "../../answers.d.ts" */
/** @import { MakeFilter } from "../components/filters.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export const whoTab = (view) =>
  pipelineView(view, "who", async (pipeline, where) => {
    if (!may(pipeline, "manage_pipelines"))
      return [
        h("div", { class: "section-head" }, h("h2", {}, "What I can, and why")),
        await why(where, caller().username),
      ];
    const { username } = view.query;
    const answer = username && (await why(where, username));
    return [question(pipeline, username), answer, await everyone(view, pipeline, where)];
  });

/** @param {Pipeline} pipeline */
const whoPath = (pipeline) => path`/pipelines/${pipeline.id}/who`;

/**
 * @param {Pipeline} pipeline
 * @param {string | undefined} username
 */
function question(pipeline, username) {
  const box = combobox({
    label: "User",
    search: searchUsers,
    placeholder: "Username",
    value: username ? { value: username, text: username } : null,
    pick: (choice) => choice && go(address(whoPath(pipeline), { username: choice.value })),
  });
  box.input.id = identifier("user");
  const ask = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const choice = box.value();
    if (choice) go(address(whoPath(pipeline), { username: choice.value }));
  };
  return h(
    "div",
    { class: "section-head" },
    h("h2", {}, "Why can …?"),
    h(
      "form",
      { class: "ask", onsubmit: ask },
      h("label", { for: box.input.id }, "User"),
      box.element,
      h("button", { class: "button" }, "Explain"),
    ),
  );
}

/**
 * @param {View} view
 * @param {Pipeline} pipeline
 * @param {string} where
 */
async function everyone(view, pipeline, where) {
  const bar = filters(
    whoPath(pipeline),
    view.query,
    [
      keptUsername,
      selectFilter(
        "permission",
        "Who can",
        PERMISSIONS.map((each) => ({ ...each, value: each.value === PERMISSIONS[0].value ? "" : each.value })),
      ),
    ],
    () => list.reload({ anew: true }),
  );
  /** @type {List} */
  const list = await listing({
    caption: "Everyone who can",
    noun: "user",
    columns: /** @type {Column<UserAccess>[]} */ ([
      { label: "User", class: "grow", cell: ({ username }) => granteeLink("user", username) },
      { label: "Can", cell: standing },
      {
        label: "",
        class: "row-actions",
        cell: ({ username }) =>
          h(
            "a",
            { href: address(whoPath(pipeline), { ...bar.values(), username }), "aria-label": `Why can ${username}?` },
            "Why?",
          ),
      },
    ]),
    fetchPage: pagesOf(`${where}/access`, "users", () => ({ permission: bar.values().permission })),
    none: () => empty("user", "Nobody can", "Neither a grant nor a role gives this to anyone."),
    view,
  });
  follow(view, ofAccess, list.reload, () => list.element);
  return [h("div", { class: "section-head" }, h("h2", {}, "Everyone who can"), bar.element), list.element];
}

/**
 * A filter without a control: the question above stays in the address while the list is filtered.
 *
 * @type {MakeFilter}
 */
const keptUsername = (query) => ({ name: "username", value: () => query.username ?? "", element: null });
