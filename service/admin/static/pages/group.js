// One group, and who is in it.

import { get, path, put, reasonsOf, remove } from "../api.js";
import { isAdministrator } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { searchUsers } from "../components/choices.js";
import { comboField } from "../components/combobox.js";
import { confirmDialog } from "../components/confirm.js";
import { grantee } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { pageHeader } from "../components/page.js";
import { empty, failure } from "../components/states.js";
import { toast } from "../components/toast.js";
import { h, name, sentence } from "../dom.js";
import { address, go, refresh } from "../router.js";
import { day } from "../time.js";
import { deleteGroup, renameGroup } from "./group_dialogs.js";
import { notForCaller } from "./not_found.js";

/** @import { Group, Member } from "../../answers.d.ts" */
/** @import { List } from "../components/listing.js" */
/** @import { Column } from "../components/table.js" */
/** @import { View } from "../router.js" */

/** @param {View} view */
export async function groupPage(view) {
  if (!isAdministrator()) return notForCaller("Group", "Only administrators handle groups.");
  const where = path`/groups/${view.params.name}`;
  const all = h("a", { href: address("/groups") }, "Groups");
  /** @type {Group} */
  let group;
  try {
    ({ group } = await get(where, {}, view.signal));
  } catch (error) {
    return { title: "Group", content: [pageHeader("Group", { back: all }), failure(error, refresh)] };
  }
  /** @type {List} */
  const list = await listing({
    caption: "Members",
    noun: "member",
    columns: columns(group, where, (did) => did && list.reload()),
    fetchPage: pagesOf(`${where}/members`, "members"),
    none: () =>
      empty(
        "user",
        "Nobody is in it yet",
        "Add the first member above: they can at once do what is granted to the group.",
      ),
    view,
  });
  const actions = [
    button("Rename", () => rename(group), { symbol: "edit" }),
    button("Delete", async () => (await deleteGroup(group.name)) && go(address("/groups")), {
      kind: "quiet danger",
      symbol: "trash",
    }),
  ];
  return {
    title: group.name,
    content: [
      pageHeader(name(group.name), { back: all, actions }),
      h("div", { class: "section-head" }, h("h2", {}, "Members"), adder(group, where, list)),
      list.element,
    ],
  };
}

/** @param {Group} group */
async function rename(group) {
  const changed = await renameGroup(group.name);
  if (changed) go(address(path`/groups/${changed}`), { instead: true });
}

/**
 * @param {Group} group
 * @param {string} where
 * @param {List} list
 */
function adder(group, where, list) {
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
  );
}

/**
 * @param {Group} group
 * @param {string} where
 * @param {(done: boolean) => unknown} changed
 * @returns {Column<Member>[]}
 */
const columns = (group, where, changed) => [
  { label: "Member", class: "grow", cell: ({ username }) => grantee("user", username) },
  { label: "Since", cell: ({ created_at: at }) => day(at) },
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
