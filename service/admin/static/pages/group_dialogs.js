// Create, rename, and delete a group.

import { call, get, path, post, remove } from "../api.js";
import { confirmDialog } from "../components/confirm.js";
import { openDialog } from "../components/dialog.js";
import { textField } from "../components/fields.js";
import { form } from "../components/form.js";
import { toast } from "../components/toast.js";
import { count, h, name, sentence, together } from "../dom.js";
import { permissionLabels } from "../labels.js";
import { address, go } from "../router.js";

/** @import { Group, GroupGrant, Member, Total } from "../../answers.d.ts" */
/** @import { Dialog } from "../components/dialog.js" */

const MAX_NAMED = 10; // of those who lose something, and of what they lose

const RULE = "Letters, digits and _ . @ -";

/** Create a group, and go to it: members come next. */
export async function createGroup() {
  const creating = form({
    fields: [textField("name", "Name", { hint: RULE })],
    submit: "Create group",
    blame: { ALREADY_EXISTS: "name" },
    cancel: () => dialog.close(null),
    send: async (values) => {
      /** @type {{group: Group}} */
      const { group } = await post("/groups", values);
      dialog.close(group);
    },
  });
  /** @type {Dialog<Group>} */
  const dialog = openDialog({ title: "Create a group", content: creating.element, unsaved: creating.unsaved });
  const made = await dialog.closed;
  if (!made) return;
  await go(address(path`/groups/${made.name}`));
  toast(sentence`${made.name} is created. Add its members.`);
}

/**
 * Fetch a group as it is now, and the tag that a change is bound to.
 *
 * @param {string} where
 */
async function present(where) {
  /** @type {{body: {group: Group}, tag: string | null}} */
  const { body, tag } = await call("GET", where);
  return { group: body.group, tag };
}

/**
 * Rename a group; return its new name, or null.
 *
 * @param {string} old
 */
export async function renameGroup(old) {
  const where = path`/groups/${old}`;
  let { group, tag } = await present(where);
  const text = textField("new_name", "Name", { value: group.name, hint: RULE });
  const renaming = form({
    fields: [text],
    submit: "Save",
    intro: "What was granted to the group stays granted, whatever its name.",
    blame: { ALREADY_EXISTS: "new_name" },
    cancel: () => dialog.close(null),
    send: async (values) => {
      /** @type {{body: {group: Group}}} */
      const { body } = await call("PATCH", where, { body: values, ifMatch: tag });
      dialog.close(body.group.name);
    },
    conflict: async () => {
      ({ group, tag } = await present(where));
      return {
        message: "Somebody else has renamed this group meanwhile.",
        rows: [{ label: "Name", theirs: group.name, yours: text.value() }],
        take: () => text.set(group.name),
        focus: text.focus,
      };
    },
  });
  /** @type {Dialog<string>} */
  const dialog = openDialog({ title: "Rename the group", content: renaming.element, unsaved: renaming.unsaved });
  const renamed = await dialog.closed;
  if (renamed) toast(sentence`The group is now ${renamed}.`);
  return renamed;
}

/**
 * Name the first of many, and count the others.
 *
 * @param {string[]} names
 * @param {Total} of
 */
function named(names, { total_size: total, total_size_at_least: atLeast }) {
  const more = (total ?? atLeast ?? names.length) - names.length;
  const shown = names.map((each) => name(each));
  const rest = more > 0 ? [h("span", {}, atLeast ? "more than " : "", count(more, "more", "more"))] : [];
  return together([...shown, ...rest]);
}

/** @param {GroupGrant} grant */
const held = ({ permissions, is_manager: isManager }) => (isManager ? "Manager" : permissionLabels(permissions));

/**
 * Delete a group, after telling who loses what; return whether it was deleted.
 *
 * @param {string} group
 */
export async function deleteGroup(group) {
  const where = path`/groups/${group}`;
  /** @type {Promise<Total & {members: Member[]}>} */
  const askedMembers = get(`${where}/members`, { page_size: MAX_NAMED, total: "true" });
  /** @type {Promise<Total & {grants: GroupGrant[]}>} */
  const askedGrants = get(`${where}/grants`, { page_size: MAX_NAMED, total: "true" });
  const [{ tag }, members, grants] = await Promise.all([present(where), askedMembers, askedGrants]);
  const done = await confirmDialog({
    title: "Delete this group?",
    intro: sentence`The group ${group} is gone for good. This can't be undone.`,
    consequences: [
      members.members.length === 0
        ? "It has no members."
        : [
            sentence`Its members lose whatever was granted to it: `,
            named(
              members.members.map(({ username }) => username),
              members,
            ),
            ".",
          ],
      grants.grants.length === 0
        ? "Nothing was granted to it."
        : [
            "What is lost, by pipeline: ",
            named(
              grants.grants.map((grant) => `${grant.pipeline.name} (${held(grant)})`),
              grants,
            ),
            ".",
          ],
      "What they hold by themselves, by other groups or by their role stays.",
    ],
    submit: "Delete group",
    run: () => remove(where, { ifMatch: tag }),
  });
  if (done) toast(sentence`The group ${group} is deleted.`);
  return done;
}
