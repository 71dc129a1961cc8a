// Create, rename, and delete a group.

import { call, get, path, remove } from "../api.js";
import { confirmDialog } from "../components/confirm.js";
import { conflictNotice } from "../components/conflict.js";
import { openDialog } from "../components/dialog.js";
import { textField } from "../components/fields.js";
import { form } from "../components/form.js";
import { toast } from "../components/toast.js";
import { count, sentence } from "../dom.js";
import { address, go } from "../router.js";

const RULE = "Letters, digits and _ . @ -";

/** Create one, and go to it: members come next. */
export async function createGroup() {
  const creating = form({
    fields: [textField("name", "Name", { hint: RULE })],
    submit: "Create group",
    blame: { ALREADY_EXISTS: "name" },
    cancel: () => dialog.close(null),
    send: async (values) => dialog.close((await call("POST", "/groups", { body: values })).body.group),
  });
  const dialog = openDialog({ title: "Create a group", content: creating.element, unsaved: creating.unsaved });
  const made = await dialog.closed;
  if (!made) return;
  await go(address(path`/groups/${made.name}`));
  toast(sentence`${made.name} is there. Add its members.`);
}

/** Rename one; answers its new name, or null. */
export async function renameGroup(old) {
  let { body, tag } = await call("GET", path`/groups/${old}`);
  const text = textField("new_name", "Name", { value: body.group.name, hint: RULE });
  const renaming = form({
    fields: [text],
    submit: "Save",
    intro: "What was granted to the group stays granted, whatever its name.",
    blame: { ALREADY_EXISTS: "new_name" },
    cancel: () => dialog.close(null),
    send: async (values) =>
      dialog.close((await call("PATCH", path`/groups/${old}`, { body: values, ifMatch: tag })).body.group.name),
    conflict: async () => {
      ({ body, tag } = await call("GET", path`/groups/${old}`));
      return conflictNotice({
        says: "Somebody else has renamed this group meanwhile.",
        rows: [{ label: "Name", theirs: body.group.name, yours: text.value() }],
        keep: () => (renaming.alert(), text.focus()),
        take: () => (text.set(body.group.name), renaming.alert(), text.focus()),
      });
    },
  });
  const dialog = openDialog({ title: "Rename the group", content: renaming.element, unsaved: renaming.unsaved });
  const name = await dialog.closed;
  if (name) toast(sentence`The group is now ${name}.`);
  return name;
}

/** Delete one, after saying who loses what; answers whether it was deleted. */
export async function deleteGroup(name) {
  const where = path`/groups/${name}`;
  const [{ tag }, { members, next_page_token: more }] = await Promise.all([
    call("GET", where),
    get(`${where}/members`, { page_size: 1000 }),
  ]);
  const number = `${more ? "more than " : ""}${count(members.length, "member")}`;
  const done = await confirmDialog({
    title: "Delete this group?",
    intro: sentence`The group ${name} is gone for good. This can't be undone.`,
    consequences: [
      members.length === 0
        ? "It has no members."
        : `Its ${number} ${members.length === 1 ? "loses" : "lose"} whatever was granted to the group, on every pipeline.`,
      "What they hold by themselves, by other groups or by their role stays.",
    ],
    submit: "Delete group",
    run: () => remove(where, { ifMatch: tag }),
  });
  if (done) toast(sentence`The group ${name} is deleted.`);
  return done;
}
