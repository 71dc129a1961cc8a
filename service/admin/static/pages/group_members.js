// The members of one group.

import { path, put, reasonsOf, remove } from "../api.js";
import { button, iconButton } from "../components/buttons.js";
import { searchUsers } from "../components/choices.js";
import { comboField } from "../components/combobox.js";
import { confirmDialog } from "../components/confirm.js";
import { filters, textFilter } from "../components/filters.js";
import { granteeLink } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { Selection } from "../components/selection.js";
import { empty } from "../components/states.js";
import { toast } from "../components/toast.js";
import { h, sentence } from "../dom.js";
import { day } from "../time.js";
import { groupView } from "./group.js";
import { pasteMembers, removeMembers } from "./members_many.js";

/** @import { Group, Member } from "../../answers.d.ts" */
/** @import { Filters } from "../components/filters.js" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export const membersTab = (view) =>
  groupView(view, "members", async (group, where) => {
    const order = ordering("username", [
      ["username", "Username, A to Z", "Username, Z to A"],
      ["created_at", "First added first", "Last added first"],
    ]);
    const search = textFilter("q", "Search", { main: true, placeholder: "Username, name or email" });
    const bar = filters(where, view.query, [search, order.filter], () => list.reload({ anew: true }));
    const changed = (/** @type {unknown} */ did) => did && list.reload();
    /** @type {Selection<Member>} */
    const selected = new Selection({
      noun: "member",
      key: ({ username }) => username,
      memory: view.memory,
      actions: (selection) => takeOutMany(group, selection, changed),
    });
    /** @type {List} */
    const list = await listing({
      caption: "Members",
      noun: "member",
      columns: columns(group, where, changed),
      fetchPage: pagesOf(`${where}/members`, "members", bar.values, { counted: true }),
      none: () => none(bar),
      view,
      order,
      selected,
    });
    const many = button("Add many", async () => changed(await pasteMembers(group.name)));
    return [
      h("div", { class: "section-head" }, h("h2", {}, "Members"), adder(group, where, list, many)),
      bar.element,
      selected.element,
      list.element,
    ];
  });

/** @param {Filters} bar */
const none = (bar) =>
  bar.any()
    ? empty(
        "search",
        "No member fits",
        sentence`Nobody in it has “${bar.values().q}” in their username, name or email.`,
      )
    : empty(
        "user",
        "Nobody is in it yet",
        "Add the first member above: they can at once do what is granted to the group.",
      );

/**
 * @param {Group} group
 * @param {string} where
 * @param {List} list
 * @param {HTMLElement} many
 */
function adder(group, where, list, many) {
  const user = comboField("username", "Add a member", { search: searchUsers });
  /** @param {SubmitEvent} event */
  const join = async (event) => {
    event.preventDefault();
    const username = user.value();
    if (!username) return user.showErrors(["Choose a user."]);
    user.showErrors([]);
    try {
      await put(where + path`/members/${username}`);
    } catch (error) {
      user.showErrors(reasonsOf(error, "username"));
      return user.focus();
    }
    user.clear();
    await list.reload();
    toast(sentence`${username} is in ${group.name}.`);
    user.focus();
  };
  return h(
    "form",
    { class: "ask", novalidate: true, onsubmit: join },
    user.element,
    h("button", { class: "button" }, "Add"),
    many,
  );
}

/**
 * @param {Group} group
 * @param {Selection<Member>} selection
 * @param {(done: unknown) => unknown} changed
 */
const takeOutMany = (group, selection, changed) =>
  button(
    "Take them out",
    async () => {
      const done = await removeMembers(
        group.name,
        selection.items.map(({ username }) => username),
      );
      if (done) selection.clear();
      changed(done);
    },
    { kind: "quiet danger" },
  );

/**
 * @param {Group} group
 * @param {string} where
 * @param {(done: boolean) => unknown} changed
 * @returns {Column<Member>[]}
 */
const columns = (group, where, changed) => [
  { label: "Member", class: "grow", order: "username", cell: ({ username }) => granteeLink("user", username) },
  { label: "Since", order: "created_at", cell: ({ created_at: at }) => day(at) },
  {
    label: "",
    class: "row-actions",
    cell: ({ username }) =>
      iconButton(
        "trash",
        `Take ${username} out of ${group.name}`,
        async () => changed(await takeOut(group, where, username)),
        "danger",
      ),
  },
];

/**
 * @param {Group} group
 * @param {string} where
 * @param {string} username
 */
async function takeOut(group, where, username) {
  const done = await confirmDialog({
    title: "Take them out of the group?",
    consequences: [
      sentence`${username} loses whatever was granted to ${group.name}, on every pipeline.`,
      "What they hold by themselves, by other groups or by their role stays.",
    ],
    submit: "Take them out",
    run: () => remove(where + path`/members/${username}`),
  });
  if (done) toast(sentence`${username} is no longer in ${group.name}.`);
  return done;
}
