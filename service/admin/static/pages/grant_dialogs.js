// Give access to a pipeline, change it, and take it back.

import { ApiError, call, remove } from "../api.js";
import { isCaller } from "../caller.js";
import { searchGrantees } from "../components/choices.js";
import { confirmDialog } from "../components/confirm.js";
import { openDialog } from "../components/dialog.js";
import { form, InvalidInput } from "../components/form.js";
import { severalField } from "../components/several.js";
import { toast } from "../components/toast.js";
import { sentence, together } from "../dom.js";
import { permissionLabels } from "../labels.js";
import { isInstant } from "../time.js";
import { grantFields, grantPath, termsOf, USUAL } from "./grant_terms.js";
import { grantAll } from "./grants_many.js";

/** @import { Grant, GrantTerms, Instant, Pipeline } from "../../answers.d.ts" */
/** @import { GranteeChoice } from "../components/choices.js" */
/** @import { Dialog } from "../components/dialog.js" */
/** @import { Child } from "../dom.js" */
/** @import { GrantFields } from "./grant_terms.js" */

const NOTHING = { address: "", tag: null };

/**
 * @param {string} where
 * @param {Grant} grant
 */
const pathOf = (where, grant) => grantPath(where, grant.group === null ? "user" : "group", granteeName(grant));

/** @param {Grant} grant */
export const granteeName = (grant) => (grant.group === null ? grant.username : grant.group);

/**
 * Give access to a user or a group; return whether anything changed.
 *
 * @param {Pipeline} pipeline
 * @param {string} where
 */
export async function giveAccess(pipeline, where) {
  const who = severalField("who", "To whom", {
    search: searchGrantees,
    hint: "A group keeps working when people come and go.",
  });
  return edit(pipeline, {
    title: "Give access",
    submit: "Give access",
    who,
    granted: { permissions: USUAL, is_manager: false, expires_at: null },
    locate: () => {
      const [{ kind, value }] = chosenGrantees(who);
      return grantPath(where, kind, value);
    },
  });
}

/**
 * Change a grant; return whether anything changed.
 *
 * @param {Pipeline} pipeline
 * @param {string} where
 * @param {Grant} shown
 */
export async function changeGrant(pipeline, where, shown) {
  const address = pathOf(where, shown);
  const { grant, tag } = await present(address);
  return edit(pipeline, {
    title: sentence`What ${granteeName(shown)} may do`,
    submit: "Save",
    granted: grant,
    seen: { address, tag },
    locate: () => address,
  });
}

/**
 * Open the dialog of both. A new grant expects nothing there: what is there is shown, and not overwritten.
 *
 * @param {Pipeline} pipeline
 * @param {object} options
 * @param {Child} options.title
 * @param {string} options.submit
 * @param {ReturnType<typeof severalField<GranteeChoice>> | null} [options.who] the field of a new grant
 * @param {GrantTerms} options.granted
 * @param {{address: string, tag: string | null}} [options.seen] the grant that the user has seen
 * @param {() => string} options.locate
 */
async function edit(pipeline, { title, submit, who = null, granted, seen = NOTHING, locate }) {
  const fields = grantFields(pipeline, granted);
  let several = /** @type {{to: GranteeChoice[], terms: GrantTerms} | null} */ (null);
  const asking = form({
    fields: who ? [who, ...fields.all] : fields.all,
    submit,
    intro: fields.note,
    blame: { NOT_FOUND: "who" },
    cancel: () => dialog.close(null),
    send: async (values) => {
      const address = locate();
      if (who && who.choices().length > 1) {
        several = { to: who.choices(), terms: termsOf(values) };
        return dialog.close(true);
      }
      const ifMatch = seen.address === address ? seen.tag : null;
      await call("PUT", address, { body: termsOf(values), ...(ifMatch ? { ifMatch } : { ifNoneMatch: "*" }) });
      dialog.close(true);
    },
    conflict: async () => {
      const address = locate();
      const { grant, tag } = await presentIfAny(address);
      seen = { address, tag };
      return {
        message: who ? "Access was given already." : "Somebody else has changed this meanwhile.",
        rows: compare(grant, fields),
        take: () => fields.set(grant),
        focus: fields.focus,
      };
    },
  });
  /** @type {Dialog<boolean>} */
  const dialog = openDialog({ title, content: asking.element, unsaved: asking.unsaved });
  const done = await dialog.closed;
  if (several) return grantAll([pipeline], several.to, several.terms);
  if (done) toast("Access is saved. It holds from the next request on.");
  return done === true;
}

/**
 * Return the users and groups that were chosen; what was merely typed does not tell which of both it is.
 *
 * @param {{choices: () => GranteeChoice[], typed: () => string}} who
 */
function chosenGrantees(who) {
  const choices = who.choices();
  if (choices.length > 0 && !who.typed()) return choices;
  throw new InvalidInput({ who: ["Choose a user or a group of the list."] });
}

/**
 * Fetch a grant as it is now, and the tag that a change is bound to.
 *
 * @param {string} address
 */
async function present(address) {
  /** @type {{body: {grant: Grant}, tag: string | null}} */
  const { body, tag } = await call("GET", address);
  return { grant: body.grant, tag };
}

/**
 * Do the same, where there need not be a grant.
 *
 * @param {string} address
 */
async function presentIfAny(address) {
  try {
    return await present(address);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return { grant: null, tag: null };
    throw error;
  }
}

/**
 * @param {GrantTerms | null} grant
 * @param {GrantFields} fields
 */
function compare(grant, { permissions, manager, expiry }) {
  const yours = held(Boolean(manager?.value()), permissions.value());
  return [
    { label: "Permissions", theirs: grant ? held(grant.is_manager, grant.permissions) : "", yours },
    { label: "Ends", theirs: until(grant?.expires_at), yours: until(expiry.value()) },
  ];
}

/**
 * @param {boolean} isManager
 * @param {string[]} permissions
 */
const held = (isManager, permissions) => (isManager ? "Manager" : permissionLabels(permissions));

/** @param {Instant | null | undefined} instant */
const until = (instant) =>
  instant && isInstant(instant)
    ? new Date(instant).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })
    : "never";

/**
 * Take a grant back; return whether it was taken.
 *
 * @param {Pipeline} pipeline
 * @param {string} where
 * @param {Grant} grant
 */
export async function takeBack(pipeline, where, grant) {
  const address = pathOf(where, grant);
  const { tag } = await present(address);
  const who = granteeName(grant);
  const what = grant.is_manager
    ? "everything a manager may do"
    : together(permissionLabels(grant.permissions).split(", "));
  const done = await confirmDialog({
    title: "Take access back?",
    consequences: [
      grant.group
        ? sentence`Everyone in the group ${who} loses ${[what]} on ${pipeline.name}.`
        : sentence`${who} loses ${[what]} on ${pipeline.name}.`,
      "What they hold by another grant, another group or their role stays.",
      "Jobs stay where they are.",
      grant.username && isCaller(grant.username) && "This is you.",
    ],
    submit: "Take it back",
    run: () => remove(address, { ifMatch: tag }),
  });
  if (done) toast("Access is taken back. It is refused from the next request on.");
  return done;
}
