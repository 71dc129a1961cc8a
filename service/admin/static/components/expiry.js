// When something expires: a choice of usual spans, or a date of one's own.

import { h, identifier, replace } from "../dom.js";
import { instantOf, isInstant, time } from "../time.js";
import { showErrors } from "./fields.js";

/** @import { Instant } from "../../answers.d.ts" */

const DAY = 86_400_000;
const CHOICES = [
  { value: "never", label: "Never" },
  { value: "7", label: "In 7 days" },
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In a year" },
  { value: "date", label: "On a date …" },
];

// What the API says of such a text is for programs.
const UNREADABLE = "Choose a date and a time before the year 2200.";

/**
 * Make a field whose value is an instant as the API writes it, or null for never.
 *
 * @param {string} name
 * @param {string} label
 * @param {{value?: Instant | null, span?: string}} [options]
 */
export function expiryField(name, label, { value = null, span = "never" } = {}) {
  const id = identifier(name);
  const errors = h("p", { class: "field-error", id: `${id}-error` });
  const hint = h("p", { class: "hint", id: `${id}-hint` });
  const select = h(
    "select",
    { id, "aria-describedby": `${id}-hint ${id}-error`, onchange: draw },
    CHOICES.map((choice) => h("option", { value: choice.value }, choice.label)),
  );
  const date = h("input", {
    type: "datetime-local",
    max: "9999-12-31T23:59", // or a browser takes years of six digits
    "aria-label": `${label}: date and time`,
    "aria-describedby": errors.id,
    oninput: draw,
  });
  const controls = h("div", { class: "row" }, select, date);
  /** @type {Instant} */
  let spanEnd;
  /** @type {Instant | null} */
  let kept;
  set(value, span);

  /** @param {Instant | null} instant */
  function set(instant, otherwise = "never") {
    select.value = instant ? "date" : otherwise;
    date.value = instant ? local(new Date(instant)) : "";
    kept = instant;
    draw();
  }

  function draw() {
    date.hidden = select.value !== "date";
    const days = Number(select.value);
    if (days) spanEnd = new Date(Date.now() + days * DAY).toISOString();
    const instant = current();
    const asked = select.value === "date" ? "Choose a date and a time." : "";
    replace(hint, instant && isInstant(instant) ? ["On ", time(instant), ", your time."] : asked);
  }

  function current() {
    if (select.value === "never") return null;
    if (select.value !== "date") return spanEnd;
    if (kept && date.value === local(new Date(kept))) return kept; // to the second, as it was
    return instantOf(date.value);
  }

  return {
    name,
    element: h("div", { class: "field" }, h("label", { for: id }, label), controls, hint, errors),
    value: current,
    set,
    focus: () => (date.hidden ? select : date).focus(),
    showErrors: (/** @type {string[]} */ reasons) => {
      const chosen = current();
      const shown = reasons.length > 0 && chosen !== null && !isInstant(chosen) ? [UNREADABLE] : reasons;
      showErrors(errors, [select, date], shown);
    },
  };
}

/**
 * Write a date as the control does: in local time, to the minute.
 *
 * @param {Date} date
 */
function local(date) {
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
