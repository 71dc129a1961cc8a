// What the views of one group share: the head, and the tabs.

import { get, path } from "../api.js";
import { isAdministrator } from "../caller.js";
import { button } from "../components/buttons.js";
import { badge } from "../components/inline.js";
import { facts, pageHeader } from "../components/page.js";
import { failure } from "../components/states.js";
import { tabs } from "../components/tabs.js";
import { h, name } from "../dom.js";
import { address, go, refresh } from "../router.js";
import { day } from "../time.js";
import { deleteGroup, renameGroup } from "./group_dialogs.js";
import { notForCaller } from "./not_found.js";

/** @import { Group } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { View } from "../router.js" */

/** @typedef {"members" | "grants"} Tab */

/**
 * Show one tab.
 *
 * @param {View} view
 * @param {Tab} tab
 * @param {(group: Group, where: string) => Promise<Child>} draw makes the content of the tab; where is the API's path of
 *   the group
 */
export async function groupView(view, tab, draw) {
  if (!isAdministrator()) return notForCaller("Group", "Only administrators handle groups.");
  const all = h("a", { href: address("/groups") }, "Groups");
  /** @type {Group} */
  let group;
  try {
    ({ group } = await get(path`/groups/${view.params.name}`, {}, view.signal));
  } catch (error) {
    return { title: "Group", content: [pageHeader("Group", { back: all }), failure(error, refresh)] };
  }
  const where = path`/groups/${group.name}`;
  const content = await draw(group, where);
  const actions = !group.provisioned && [
    button("Rename", () => rename(group), { symbol: "edit" }),
    button("Delete", async () => (await deleteGroup(group.name)) && go(address("/groups")), {
      kind: "quiet danger",
      symbol: "trash",
    }),
  ];
  return {
    title: group.name,
    content: [
      pageHeader(name(group.name), { back: all, beside: group.provisioned && badge("Provisioned"), actions }),
      facts(
        ["Since", day(group.created_at)],
        group.provisioned === true && ["Changed by", "Provisioning (SCIM) alone"],
      ),
      tabs("Of this group", tab, [
        { tab: "members", to: where, label: "Members" },
        { tab: "grants", to: `${where}/grants`, label: "Grants" },
      ]),
      content,
    ],
  };
}

/** @param {Group} group */
async function rename(group) {
  const changed = await renameGroup(group.name);
  if (changed) go(address(path`/groups/${changed}`), { instead: true });
}
