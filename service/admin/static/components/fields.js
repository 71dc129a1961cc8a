// The fields of forms: a label, a control, a hint, and the place where the API's reasons stand.

import { h, identifier, replace } from "../dom.js";

/** A field around one control. */
function around(name, label, control, { hint = "", optional = false } = {}) {
  const id = identifier(name);
  const errors = h("p", { class: "field-error", id: `${id}-error` });
  const said = hint && h("p", { class: "hint", id: `${id}-hint` }, hint);
  control.id = id;
  describe(control, said);
  return {
    name,
    control,
    element: h(
      "div",
      { class: "field" },
      h("label", { for: id }, label, optional && h("span", { class: "optional" }, " (optional)")),
      control,
      said,
      errors,
    ),
    focus: () => control.focus(),
    showErrors: (reasons) => {
      replace(errors, reasons.join(" "));
      control.setAttribute("aria-invalid", String(reasons.length > 0));
      describe(control, said, reasons.length > 0 && errors);
    },
  };
}

function describe(control, ...elements) {
  const ids = elements.filter(Boolean).map((element) => element.id);
  if (ids.length > 0) control.setAttribute("aria-describedby", ids.join(" "));
  else control.removeAttribute("aria-describedby");
}

export function textField(name, label, { value = "", type = "text", spellcheck = false, ...options } = {}) {
  const control = h("input", {
    type,
    value,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: String(spellcheck),
  });
  return {
    ...around(name, label, control, options),
    value: () => control.value,
    set: (text) => (control.value = text),
  };
}

export function textArea(name, label, { value = "", rows = 3, ...options } = {}) {
  const control = h("textarea", { rows, value });
  return {
    ...around(name, label, control, options),
    value: () => control.value,
    set: (text) => (control.value = text),
  };
}

/** Choices with a word and an explanation each: radio buttons, or check boxes if many of them may be taken. */
export function choiceField(name, label, choices, { value, many = false } = {}) {
  const id = identifier(name);
  const errors = h("p", { class: "field-error", id: `${id}-error` });
  const boxes = choices.map((choice) => {
    const says = `${id}-${choice.value}`;
    const box = h("input", {
      type: many ? "checkbox" : "radio",
      name: id,
      value: choice.value,
      checked: many ? value.includes(choice.value) || Boolean(choice.always) : value === choice.value,
      disabled: Boolean(choice.always),
      "aria-describedby": says,
    });
    return {
      box,
      always: Boolean(choice.always),
      row: h(
        "div",
        { class: "choice" },
        h("label", {}, box, h("span", {}, choice.word)),
        h("p", { class: "hint", id: says }, choice.says),
      ),
    };
  });
  const group = h(
    "fieldset",
    { "aria-describedby": errors.id },
    h("legend", {}, label),
    h(
      "div",
      { class: many ? "choices columns" : "choices" },
      boxes.map(({ row }) => row),
    ),
    errors,
  );
  const taken = () => boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
  return {
    name,
    element: group,
    value: () => (many ? taken() : taken()[0]),
    set: (wanted) => boxes.forEach(({ box, always }) => (box.checked = always || [wanted].flat().includes(box.value))),
    focus: () => boxes.find(({ box }) => !box.disabled)?.box.focus(),
    showErrors: (reasons) => {
      replace(errors, reasons.join(" "));
      boxes.forEach(({ box }) => box.setAttribute("aria-invalid", String(reasons.length > 0)));
    },
    boxes: boxes.map(({ box }) => box),
  };
}

/** One check box. */
export function checkField(name, label, { value = false, hint = "" } = {}) {
  const id = identifier(name);
  const box = h("input", { type: "checkbox", checked: value, "aria-describedby": `${id}-hint` });
  const errors = h("p", { class: "field-error" });
  return {
    name,
    control: box,
    element: h(
      "div",
      { class: "choice alone" },
      h("label", {}, box, h("span", {}, label)),
      h("p", { class: "hint", id: `${id}-hint` }, hint),
      errors,
    ),
    value: () => box.checked,
    set: (wanted) => (box.checked = wanted),
    focus: () => box.focus(),
    showErrors: (reasons) => {
      replace(errors, reasons.join(" "));
      box.setAttribute("aria-invalid", String(reasons.length > 0));
    },
  };
}
