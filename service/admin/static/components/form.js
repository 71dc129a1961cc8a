// A form: fields, one way to send it, and errors where they belong.

import { ApiError } from "../api.js";
import { h, replace } from "../dom.js";
import { button } from "./buttons.js";
import { icon } from "./icons.js";

/**
 * A form.
 *
 * Nothing typed is ever taken away: whatever fails, the fields stay as they are, and say what was wrong with them.
 *
 * @param fields made by fields.js; their names are the API's
 * @param send given the values by name, does what the form is for
 * @param conflict if given, is asked what to show when the API answers 412: an element, made with a way to go on
 * @param blame the field which an error without details is about, by its code
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
  const element = h(
    "form",
    { novalidate: true, class: "dialog-body", onsubmit: (event) => (event.preventDefault(), trySend()) },
    typeof intro === "string" ? h("p", {}, intro) : intro,
    alert,
    fields.map((field) => field.element),
    h("footer", {}, cancel && button("Cancel", cancel), confirm),
  );

  async function trySend() {
    if (confirm.getAttribute("aria-disabled")) return;
    confirm.setAttribute("aria-disabled", "true");
    showErrors({});
    replace(alert);
    try {
      await send(Object.fromEntries(fields.map((field) => [field.name, field.value()])));
    } catch (error) {
      await show(error);
    } finally {
      confirm.removeAttribute("aria-disabled");
    }
  }

  async function show(error) {
    if (error.name === "AbortError") return;
    if (error instanceof ApiError && error.status === 412 && conflict) {
      try {
        replace(alert, await conflict());
      } catch (second) {
        replace(alert, says(second));
      }
      alert.querySelector("button")?.focus();
      return;
    }
    const details = { ...error.details };
    if (fields.some((field) => field.name === blame[error.code])) details[blame[error.code]] = [error.message];
    const unplaced = showErrors(details);
    if (unplaced.length > 0 || Object.keys(details).length === 0) replace(alert, says(error, unplaced));
    firstInvalid()?.focus();
  }

  /** Each error at its field; answers those that belong to none. */
  function showErrors(details) {
    for (const field of fields) field.showErrors(reasonsFor(field.name, details));
    const names = fields.map((field) => field.name);
    return Object.keys(details).filter((key) => !names.includes(key.split(".")[0]));
  }

  const firstInvalid = () => fields.find((field) => field.element.querySelector("[aria-invalid=true]"));
  const initial = snapshot(fields);

  return {
    element,
    /** Show this above the fields. */
    alert: (content) => replace(alert, content),
    unsaved: () => snapshot(fields) !== initial,
  };
}

const snapshot = (fields) => JSON.stringify(fields.map((field) => field.value()));

// The API names what is in a list by its place in it, as in "permissions.0".
const reasonsFor = (name, details) =>
  Object.entries(details).flatMap(([key, reasons]) => (key.split(".")[0] === name ? reasons : []));

function says(error, names = []) {
  const more = names.map((key) => `${key}: ${error.details[key].join(" ")}`).join(" ");
  return h(
    "div",
    { class: "notice error" },
    icon("warning"),
    h(
      "div",
      {},
      h("p", {}, more || error.message),
      error.requestId && h("p", { class: "muted" }, "Request ", h("code", { class: "identifier" }, error.requestId)),
    ),
  );
}
