// Give access to a pipeline, change it, and take it back.

import { ApiError, call, path, remove } from "../api.js";
import { isCaller } from "../caller.js";
import { searchGrantees } from "../components/choices.js";
import { comboField } from "../components/combobox.js";
import { confirmDialog } from "../components/confirm.js";
import { conflictNotice } from "../components/conflict.js";
import { openDialog } from "../components/dialog.js";
import { expiryField } from "../components/expiry.js";
import { checkField, choiceField } from "../components/fields.js";
import { form } from "../components/form.js";
import { toast } from "../components/toast.js";
import { sentence, together } from "../dom.js";
import { PERMISSIONS, permissionWords } from "../words.js";

const USUAL = ["flow_pipeline:read", "flow_pipeline:execute"];
const NOBODY = { who: ["Choose a user or a group of the list."] };

const grantPath = (where, kind, name) =>
  where + (kind === "group" ? path`/grants/groups/${name}` : path`/grants/users/${name}`);
const pathOf = (where, { group, username }) => grantPath(where, group ? "group" : "user", group ?? username);

/** Give access to somebody; answers whether anything changed. */
export async function giveAccess(pipeline, where) {
  const who = comboField("who", "To whom", {
    search: searchGrantees,
    hint: "A group keeps working when people come and go.",
    read: (choice) => choice,
  });
  return edit(pipeline, {
    title: "Give access",
    submit: "Give access",
    who,
    granted: { permissions: USUAL, is_manager: false, expires_at: null },
    locate: ({ kind, value }) => grantPath(where, kind, value),
  });
}

/** Change what somebody was given; answers whether anything changed. */
export async function changeGrant(pipeline, where, grant) {
  const address = pathOf(where, grant);
  const { body, tag } = await call("GET", address);
  return edit(pipeline, {
    title: sentence`What ${grant.group ?? grant.username} may do`,
    submit: "Save",
    granted: body.grant,
    seen: { address, tag },
    locate: () => address,
  });
}

/**
 * The dialog of both. Who gives something new expects nothing there: what is there is shown, and not overwritten.
 *
 * @param seen the grant that the person has seen, by its address and tag
 */
async function edit(pipeline, { title, submit, who = null, granted, seen = {}, locate }) {
  const fields = grantFields(pipeline, granted);
  const asking = form({
    fields: who ? [who, ...fields.all] : fields.all,
    submit,
    intro: fields.note,
    blame: { NOT_FOUND: "who" },
    cancel: () => dialog.close(null),
    send: async (values) => {
      const address = locate(who && chosenGrantee(values.who));
      const { permissions, is_manager: isManager = false, expires_at: expires } = values;
      const condition = seen.address === address && seen.tag ? { ifMatch: seen.tag } : { ifNoneMatch: "*" };
      await call("PUT", address, {
        body: { permissions, is_manager: isManager, expires_at: expires },
        ...condition,
      });
      dialog.close(true);
    },
    conflict: async () => {
      const address = locate(who?.value());
      const found = await present(address);
      seen = { address, tag: found?.tag };
      return conflictNotice({
        says: who ? "Access was given already." : "Somebody else has changed this meanwhile.",
        rows: compare(found?.grant, fields),
        keep: () => (asking.alert(), fields.focus()),
        take: () => (fields.set(found?.grant), asking.alert(), fields.focus()),
      });
    },
  });
  const dialog = openDialog({ title, content: asking.element, unsaved: asking.unsaved });
  const done = await dialog.closed;
  if (done) toast("Access is saved. It holds from the next request on.");
  return done === true;
}

function chosenGrantee(choice) {
  if (choice?.kind) return choice;
  throw Object.assign(new Error(), { details: NOBODY });
}

/** What is granted there now; null if nothing is. */
async function present(address) {
  try {
    const { body, tag } = await call("GET", address);
    return { grant: body.grant, tag };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** The fields of a grant. What the caller does not hold is not offered, as the API would refuse it. */
function grantFields(pipeline, granted) {
  const offered = PERMISSIONS.filter(({ value }) => pipeline.permissions.includes(value));
  const permissions = choiceField(
    "permissions",
    "They may",
    offered.map((each, index) => ({ ...each, always: index === 0 })),
    { value: granted.permissions, many: true },
  );
  const manager =
    pipeline.is_manager &&
    checkField("is_manager", "Manager", {
      value: granted.is_manager,
      hint: "Holds all of these, and may make and unmake managers",
    });
  const expiry = expiryField("expires_at", "Access ends", { value: granted.expires_at });
  const follow = () =>
    permissions.boxes.forEach((box, index) => {
      box.disabled = index === 0 || Boolean(manager && manager.value());
    });
  if (manager) {
    manager.control.addEventListener("change", follow);
    follow();
  }
  const lost = granted.permissions.filter((each) => !pipeline.permissions.includes(each));
  return {
    all: [permissions, manager, expiry].filter(Boolean),
    permissions,
    manager,
    expiry,
    note:
      lost.length > 0 &&
      `They also hold ${permissionWords(lost)}. You can't grant what you don't hold, so saving takes that away.`,
    focus: permissions.focus,
    set: (grant) => {
      permissions.set(grant?.permissions ?? []);
      if (manager) manager.set(grant?.is_manager ?? false);
      expiry.set(grant?.expires_at ?? null);
      follow();
    },
  };
}

function compare(grant, { permissions, manager, expiry }) {
  const yours = manager && manager.value() ? "Manager" : permissionWords(permissions.value());
  return [
    { label: "May", theirs: !grant ? "" : grant.is_manager ? "Manager" : permissionWords(grant.permissions), yours },
    { label: "Ends", theirs: until(grant?.expires_at), yours: until(expiry.value()) },
  ];
}

const until = (instant) =>
  instant ? new Date(instant).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" }) : "never";

/** Take back what somebody was given; answers whether it was. */
export async function takeBack(pipeline, where, grant) {
  const address = pathOf(where, grant);
  const { tag } = await call("GET", address);
  const who = grant.group ?? grant.username;
  const what = grant.is_manager
    ? "everything a manager may do"
    : together(permissionWords(grant.permissions).split(", "));
  const done = await confirmDialog({
    title: "Take access back?",
    consequences: [
      grant.group
        ? sentence`Everyone in the group ${who} loses ${[what]} on ${pipeline.name}.`
        : sentence`${who} loses ${[what]} on ${pipeline.name}.`,
      "What they hold by another grant, another group or their role stays.",
      "Jobs stay where they are.",
      grant.username && isCaller(grant.username) && "This is you.",
    ].filter(Boolean),
    submit: "Take it back",
    run: () => remove(address, { ifMatch: tag }),
  });
  if (done) toast("Access is taken back. It is refused from the next request on.");
  return done;
}
