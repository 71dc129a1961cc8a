// What can be done with many users that are selected.

import { call, path } from "../api.js";
import { isCaller } from "../caller.js";
import { button } from "../components/buttons.js";
import { searchGroups } from "../components/choices.js";
import { confirmDialog } from "../components/confirm.js";
import { selectionForm } from "../components/selection_form.js";
import { chunks, workThrough } from "../components/work.js";
import { count } from "../dom.js";
import { addMembers } from "./members_many.js";

/** @import { User } from "../../answers.d.ts" */
/** @import { Selection } from "../components/selection.js" */
/** @import { Work } from "../components/work.js" */

const LANES = 4; // requests at a time

/**
 * @param {Selection<User>} selection
 * @param {(done: unknown) => unknown} changed
 */
export function manyUsers(selection, changed) {
  const adder = selectionForm({
    label: "Group",
    search: searchGroups,
    buttons: [
      [
        "Add to group",
        ([group]) =>
          addMembers(
            group.value,
            selection.items.map(({ username }) => username),
          ),
      ],
    ],
  });
  return [adder, button("Disable", async () => changed(await disableMany(selection)), { kind: "quiet danger" })];
}

/** @param {Selection<User>} selection */
async function disableMany(selection) {
  const users = selection.items.filter(({ username, disabled }) => !disabled && !isCaller(username));
  const left = selection.items.length - users.length;
  const sure = await confirmDialog({
    title: `Disable ${count(users.length, "user")}?`,
    intro: "They are refused from the next request on, and can do nothing until enabled again.",
    consequences: [
      "Whatever uses their tokens stops working.",
      "Their jobs, groups and grants are kept.",
      left > 0 &&
        `${count(left, "user")} selected who ${left === 1 ? "is" : "are"} disabled already or you: left as they are.`,
    ],
    submit: "Disable them",
    run: async () => {},
  });
  if (!sure || users.length === 0) return false;
  return (await workThrough(switching(users, true))) > 0;
}

/**
 * @param {User[]} users
 * @param {boolean} disabled
 * @returns {Work<User>}
 */
function switching(users, disabled) {
  /** @type {User[]} */
  const changed = [];
  return {
    title: disabled ? "Disabling users" : "Enabling users",
    noun: "user",
    parts: chunks(users, 1),
    lanes: LANES,
    name: ({ username }) => username,
    run: async ([user]) => {
      await call("PATCH", path`/users/${user.username}`, { body: { disabled } });
      changed.push(user);
      return [];
    },
    said: (done) => `${count(done, "user")} ${done === 1 ? "is" : "are"} ${disabled ? "disabled" : "enabled"}.`,
    undo: () => switching(changed, !disabled),
  };
}
