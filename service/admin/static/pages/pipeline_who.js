// The access to one pipeline, whatever it comes from; and its explanation for one user.

import { path } from "../api.js";
import { may } from "../caller.js";
import { searchUsers } from "../components/choices.js";
import { combobox } from "../components/combobox.js";
import { filters, selectFilter } from "../components/filters.js";
import { granteeLink, standing } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
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
        h("div", { class: "section-head" }, h("h2", {}, "My access, and why")),
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
    h("h2", {}, "Why does a user have access?"),
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
  const order = ordering("username", [["username", "Username, A to Z", "Username, Z to A"]]);
  const bar = filters(
    whoPath(pipeline),
    view.query,
    [
      keptUsername,
      selectFilter(
        "permission",
        "Permission",
        PERMISSIONS.map((each) => ({ ...each, value: each.value === PERMISSIONS[0].value ? "" : each.value })),
      ),
      order.filter,
    ],
    () => list.reload({ anew: true }),
  );
  const asked = () => {
    const { permission, order_by } = bar.values();
    return { permission, order_by };
  };
  /** @type {List} */
  const list = await listing({
    caption: "Everyone with access",
    noun: "user",
    columns: /** @type {Column<UserAccess>[]} */ ([
      { label: "User", class: "grow", order: "username", cell: ({ username }) => granteeLink("user", username) },
      { label: "Permissions", cell: standing },
      {
        label: "",
        class: "row-actions",
        cell: ({ username }) =>
          h(
            "a",
            {
              href: address(whoPath(pipeline), { ...bar.values(), username }),
              "aria-label": `Why does ${username} have access?`,
            },
            "Why?",
          ),
      },
    ]),
    fetchPage: pagesOf(`${where}/access`, "users", asked, { counted: true }),
    none: () => empty("user", "Nobody has this permission", "Neither a grant nor a role gives it to anyone."),
    view,
    order,
  });
  follow(view, ofAccess, list.reload, () => list.element);
  return [h("div", { class: "section-head" }, h("h2", {}, "Everyone with access"), bar.element), list.element];
}

/**
 * A filter without a control: the question above stays in the address while the list is filtered.
 *
 * @type {MakeFilter}
 */
const keptUsername = (query) => ({ name: "username", value: () => query.username ?? "", element: null });
