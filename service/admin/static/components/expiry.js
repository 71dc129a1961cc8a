// When something expires: a choice of usual spans, or a date of one's own.

import { h, identifier, replace } from "../dom.js";
import { time } from "../time.js";

const DAY = 86_400_000;
const SPANS = [
  { value: "7", word: "In 7 days" },
  { value: "30", word: "In 30 days" },
  { value: "90", word: "In 90 days" },
  { value: "365", word: "In a year" },
];

/** A field whose value is an instant as the API writes it, or null for never. */
export function expiryField(name, label, { value = null, span = "never" } = {}) {
  const id = identifier(name);
  const errors = h("p", { class: "field-error", id: `${id}-error` });
  const hint = h("p", { class: "hint", id: `${id}-hint` });
  const choices = [{ value: "never", word: "Never" }, ...SPANS, { value: "date", word: "On a date …" }];
  const select = h(
    "select",
    { id, "aria-describedby": `${id}-hint ${id}-error`, onchange: draw },
    choices.map((choice) => h("option", { value: choice.value }, choice.word)),
  );
  const date = h("input", {
    type: "datetime-local",
    "aria-label": `${label}: date and time`,
    "aria-describedby": errors.id,
    oninput: draw,
  });
  const element = h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    h("div", { class: "row" }, select, date),
    hint,
    errors,
  );
  let spanEnd;
  let kept;
  set(value, span);

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
    replace(
      hint,
      instant ? ["On ", time(instant), ", your time."] : select.value === "date" ? "Choose a date and a time." : "",
    );
  }

  function current() {
    if (select.value === "never") return null;
    if (select.value !== "date") return spanEnd;
    if (kept && date.value === local(new Date(kept))) return kept; // to the second, as it was
    return date.value ? new Date(date.value).toISOString() : "";
  }

  return {
    name,
    element,
    value: current,
    set,
    focus: () => (date.hidden ? select : date).focus(),
    showErrors: (reasons) => {
      replace(errors, reasons.join(" "));
      for (const control of [select, date]) control.setAttribute("aria-invalid", String(reasons.length > 0));
    },
  };
}

/** A date as the control writes it: in local time, to the minute. */
function local(date) {
  return new Date(date - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
