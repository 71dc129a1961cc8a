// The fields of forms: a label, a control, a hint, and the place where the API's reasons stand.

import { h, identifier, replace } from "../dom.js";

/** @import { Child } from "../dom.js" */

/**
 * A field of a form.
 *
 * @template [Value=unknown]
 * @typedef {object} Field
 * @property {string} name the API's
 * @property {HTMLElement} element
 * @property {() => Value} value
 * @property {() => void} focus
 * @property {(reasons: string[]) => void} showErrors
 */

/**
 * What is shown of a field beside its label.
 *
 * @typedef {{hint?: string, optional?: boolean}} Shown
 */

/**
 * A choice with a label and an explanation.
 *
 * @typedef {object} Option
 * @property {string} value
 * @property {string} label
 * @property {string} [description]
 * @property {boolean} [always] taken, and can't be changed
 */

/**
 * Put a field around one control.
 *
 * @template {HTMLElement} Control
 * @param {string} name
 * @param {string} label
 * @param {Control} control
 * @param {Shown} shown
 * @param {HTMLElement} [box] what the control is in
 */
export function around(name, label, control, { hint = "", optional = false }, box = control) {
  const id = identifier(name);
  const errors = h("p", { class: "field-error", id: `${id}-error` });
  const said = hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null;
  control.id = id;
  describe(control, said);
  return {
    name,
    control,
    element: h(
      "div",
      { class: "field" },
      h("label", { for: id }, label, optional && h("span", { class: "optional" }, " (optional)")),
      box,
      said,
      errors,
    ),
    focus: () => control.focus(),
    showErrors: (/** @type {string[]} */ reasons) => {
      showErrors(errors, [control], reasons);
      describe(control, said, reasons.length > 0 ? errors : null);
    },
  };
}

/**
 * Show what is wrong with controls.
 *
 * @param {HTMLElement} place
 * @param {HTMLElement[]} controls
 * @param {string[]} reasons
 */
export function showErrors(place, controls, reasons) {
  replace(place, reasons.join(" "));
  for (const control of controls) control.setAttribute("aria-invalid", String(reasons.length > 0));
}

/**
 * @param {HTMLElement} control
 * @param {(HTMLElement | null)[]} elements
 */
function describe(control, ...elements) {
  const ids = elements.flatMap((element) => element?.id ?? []);
  if (ids.length > 0) control.setAttribute("aria-describedby", ids.join(" "));
  else control.removeAttribute("aria-describedby");
}

/**
 * @template {HTMLInputElement | HTMLTextAreaElement} Control
 * @param {string} name
 * @param {string} label
 * @param {Control} control
 * @param {Shown} shown
 */
const textual = (name, label, control, shown) => ({
  ...around(name, label, control, shown),
  value: () => control.value,
  set: (/** @type {string} */ text) => {
    control.value = text;
  },
});

/**
 * @param {string} name
 * @param {string} label
 * @param {Shown & {value?: string, type?: string, spellcheck?: boolean}} [options]
 */
export function textField(name, label, { value = "", type = "text", spellcheck = false, ...shown } = {}) {
  const control = h("input", {
    type,
    value,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: String(spellcheck),
  });
  return textual(name, label, control, shown);
}

/**
 * @param {string} name
 * @param {string} label
 * @param {Shown & {value?: string, rows?: number}} [options]
 */
export const textArea = (name, label, { value = "", rows = 3, ...shown } = {}) =>
  textual(name, label, h("textarea", { rows, value }), shown);

/**
 * Make a field of radio buttons, with a label and an explanation each.
 *
 * @param {string} name
 * @param {string} label
 * @param {Option[]} options
 * @param {{value: string}} initial
 */
export function choiceField(name, label, options, { value }) {
  const { set, taken, ...group } = optionGroup("radio", name, label, options, [value]);
  return { ...group, value: () => taken()[0], set: (/** @type {string} */ wanted) => set([wanted]) };
}

/**
 * Make a field of check boxes, with a label and an explanation each: any number of them may be taken.
 *
 * @param {string} name
 * @param {string} label
 * @param {Option[]} options
 * @param {{value: string[]}} initial
 */
export function choicesField(name, label, options, { value }) {
  const { taken, ...group } = optionGroup("checkbox", name, label, options, value);
  return { ...group, value: taken };
}

/**
 * @param {"radio" | "checkbox"} type
 * @param {string} name
 * @param {string} label
 * @param {Option[]} options
 * @param {string[]} initial
 */
function optionGroup(type, name, label, options, initial) {
  const id = identifier(name);
  const errors = h("p", { class: "field-error", id: `${id}-error` });
  const rows = options.map((option) => optionRow(type, id, option));
  const boxes = rows.map(({ box }) => box);
  const set = (/** @type {string[]} */ wanted) => {
    for (const { box, always } of rows) box.checked = always || wanted.includes(box.value);
  };
  set(initial);
  return {
    name,
    element: h(
      "fieldset",
      { "aria-describedby": errors.id },
      h("legend", {}, label),
      h(
        "div",
        { class: type === "checkbox" ? "choices columns" : "choices" },
        rows.map(({ element }) => element),
      ),
      errors,
    ),
    boxes,
    set,
    taken: () => boxes.filter((box) => box.checked).map((box) => box.value),
    focus: () => boxes.find((box) => !box.disabled)?.focus(),
    showErrors: (/** @type {string[]} */ reasons) => showErrors(errors, boxes, reasons),
  };
}

/**
 * @param {"radio" | "checkbox"} type
 * @param {string} group
 * @param {Option} option
 */
function optionRow(type, group, { value, label, description, always = false }) {
  const id = `${group}-${value}`;
  const box = h("input", { type, name: group, value, disabled: always, "aria-describedby": id });
  return {
    box,
    always,
    element: h(
      "div",
      { class: "choice" },
      h("label", {}, box, h("span", {}, label)),
      h("p", { class: "hint", id }, description),
    ),
  };
}

/**
 * Make a field of one check box.
 *
 * @param {string} name
 * @param {string} label
 * @param {{value?: boolean, hint?: Child}} [options]
 */
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
    set: (/** @type {boolean} */ wanted) => {
      box.checked = wanted;
    },
    focus: () => box.focus(),
    showErrors: (/** @type {string[]} */ reasons) => showErrors(errors, [box], reasons),
  };
}
