// Forms: fields, one way to send them, and errors where they belong.

import { ApiError, isAbort, messageOf } from "../api.js";
import { focusFirst, h, replace } from "../dom.js";
import { button } from "./buttons.js";
import { conflictNotice } from "./conflict.js";
import { icon } from "./icons.js";

/** @import { Details } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { Comparison } from "./conflict.js" */
/** @import { Field } from "./fields.js" */

/**
 * The fields which errors without details are about, by the errors' codes.
 *
 * @typedef {Record<string, string>} Blame
 */

/**
 * What the form shows when its subject was changed by another user meanwhile.
 *
 * @typedef {object} Conflict
 * @property {string} message
 * @property {Comparison[]} rows
 * @property {() => void} take fills the fields with what is there now
 * @property {() => void} focus to go on in the form, whatever was decided
 */

/** What was typed can't be sent; the reasons stand by field. */
export class InvalidInput extends Error {
  /** @param {Details} details */
  constructor(details) {
    super(Object.values(details).flat().join(" "));
    this.details = details;
  }
}

/**
 * Make a form.
 *
 * Nothing typed is ever taken away: whatever fails, the fields stay as they are, and tell what was wrong with them.
 *
 * @template {Record<string, unknown>} Values
 * @param {object} options
 * @param {Field[]} options.fields
 * @param {string} options.submit
 * @param {(values: Values) => unknown} options.send does what the form is for, given the values by name
 * @param {boolean} [options.danger]
 * @param {(() => void) | null} [options.cancel]
 * @param {(() => Promise<Conflict>) | null} [options.conflict] asked what to show when the API answers 412
 * @param {Blame} [options.blame]
 * @param {Child} [options.intro]
 */
export function form({
  fields,
  submit,
  send,
  danger = false,
  cancel = null,
  conflict = null,
  blame = {},
  intro = null,
}) {
  const alert = h("div", { role: "alert" });
  const confirm = button(submit, null, { kind: danger ? "danger" : "primary", type: "submit" });
  const stop = cancel && button("Cancel", () => sent || cancel());
  let sent = false;
  const element = h(
    "form",
    { novalidate: true, class: "dialog-body", onsubmit: trySend },
    typeof intro === "string" ? h("p", {}, intro) : intro,
    alert,
    fields.map((field) => field.element),
    h("footer", {}, stop, confirm),
  );

  /**
   * Tell whether an answer is awaited: what it says must be seen, so that nothing is closed until then.
   *
   * @param {boolean} whether
   */
  function wait(whether) {
    sent = whether;
    element.setAttribute("aria-busy", String(whether));
    for (const each of [stop, confirm]) each?.setAttribute("aria-disabled", String(whether));
  }

  /** @param {SubmitEvent} event */
  async function trySend(event) {
    event.preventDefault();
    if (sent) return;
    wait(true);
    showDetails(fields, {});
    replace(alert);
    try {
      await send(/** @type {Values} */ (Object.fromEntries(fields.map((field) => [field.name, field.value()]))));
    } catch (error) {
      await fail(error);
    } finally {
      wait(false);
    }
  }

  /** @param {unknown} error */
  async function fail(error) {
    if (isStale(error) && conflict) await showConflict(alert, conflict);
    else if (!isAbort(error)) showError(error, { alert, fields, blame });
  }

  const initial = snapshot(fields);
  return { element, unsaved: () => snapshot(fields) !== initial };
}

/** @param {Field[]} fields */
const snapshot = (fields) => JSON.stringify(fields.map((field) => field.value()));

/**
 * Return whether an error is the API's 412: what was to be changed is no longer as it was shown.
 *
 * @param {unknown} error
 */
export const isStale = (error) => error instanceof ApiError && error.status === 412;

/**
 * @param {HTMLElement} alert
 * @param {() => Promise<Conflict>} conflict
 */
async function showConflict(alert, conflict) {
  try {
    const { message, rows, take, focus } = await conflict();
    const keep = () => {
      replace(alert);
      focus();
    };
    const takeTheirs = () => {
      take();
      keep();
    };
    replace(alert, conflictNotice({ message, rows, keep, take: takeTheirs }));
  } catch (error) {
    replace(alert, notice(messageOf(error), error));
  }
  focusFirst(alert, "button");
}

/**
 * @param {unknown} error
 * @param {{alert: HTMLElement, fields: Field[], blame: Blame}} form
 */
function showError(error, { alert, fields, blame }) {
  const details = detailsOf(error, fields, blame);
  const unplaced = showDetails(fields, details);
  const message = unplaced.map((key) => `${key}: ${details[key].join(" ")}`).join(" ") || messageOf(error);
  if (unplaced.length > 0 || Object.keys(details).length === 0) replace(alert, notice(message, error));
  fields.find((field) => field.element.querySelector("[aria-invalid=true]"))?.focus();
}

/**
 * @param {unknown} error
 * @param {Field[]} fields
 * @param {Blame} blame
 * @returns {Details}
 */
function detailsOf(error, fields, blame) {
  if (error instanceof InvalidInput) return error.details;
  if (!(error instanceof ApiError)) return {};
  const blamed = blame[error.code];
  return fields.some(({ name }) => name === blamed) ? { ...error.details, [blamed]: [error.message] } : error.details;
}

/**
 * Show each reason at its field; return those keys that belong to none.
 *
 * @param {Field[]} fields
 * @param {Details} details
 */
function showDetails(fields, details) {
  for (const field of fields) field.showErrors(reasonsFor(field.name, details));
  const names = fields.map((field) => field.name);
  return Object.keys(details).filter((key) => !names.includes(key.split(".")[0]));
}

/**
 * Return the reasons for one field. The API names what is in a list by its place in it, as in "permissions.0".
 *
 * @param {string} name
 * @param {Details} details
 */
const reasonsFor = (name, details) =>
  Object.entries(details).flatMap(([key, reasons]) => (key.split(".")[0] === name ? reasons : []));

/**
 * @param {string} message
 * @param {unknown} error
 */
function notice(message, error) {
  const requestId = error instanceof ApiError ? error.requestId : null;
  return h(
    "div",
    { class: "notice error" },
    icon("warning"),
    h(
      "div",
      {},
      h("p", {}, message),
      requestId && h("p", { class: "muted" }, "Request ", h("code", { class: "identifier" }, requestId)),
    ),
  );
}
