// Filters above a list. They stand in the address, so that a search can be kept, sent, and come back to.

import { focusFirst, h, identifier } from "../dom.js";
import { isShown, setFilters } from "../router.js";
import { combobox } from "./combobox.js";
import { showErrors } from "./fields.js";
import { icon } from "./icons.js";
import { onKey } from "./keys.js";

/** @import { Search } from "./combobox.js" */
/** @import { Option } from "./fields.js" */
/** @import { Choice } from "./listbox.js" */

/** @typedef {Record<string, string>} Values */

/**
 * One filter.
 *
 * @typedef {object} Filter
 * @property {string} name the API's
 * @property {() => string} value empty if it is not set
 * @property {HTMLElement | null} element
 * @property {boolean} [narrows] false if it leaves nothing out, as an order
 */

/**
 * Makes a filter for a query; it then tells of each change.
 *
 * @typedef {(query: Values, changed: () => void) => Filter} MakeFilter
 */

/** @typedef {ReturnType<typeof filters>} Filters */

const DELAY = 200; // milliseconds without a key before it is searched

/**
 * Make a bar of filters.
 *
 * @param {string} path of the view whose address they are written into
 * @param {Values} query
 * @param {MakeFilter[]} makers
 * @param {() => unknown} onchange
 */
export function filters(path, query, makers, onchange) {
  const changed = () => {
    if (!isShown(element)) return; // the view was left within the delay, and the address is another's
    const now = JSON.stringify(values());
    if (now === last) return; // as a choice that was taken tells of itself twice
    last = now;
    setFilters(path, values());
    onchange();
  };
  const controls = makers.map((make) => make(query, changed));
  /** @returns {Values} */
  const values = () => Object.fromEntries(controls.map((control) => [control.name, control.value()]));
  let last = JSON.stringify(values());
  const element = h(
    "search",
    { class: "filters" },
    controls.map((control) => control.element),
  );
  return { element, values, any: () => controls.some((each) => each.narrows !== false && each.value()) };
}

/**
 * @param {string} label
 * @param {HTMLElement} control
 */
function labelFor(label, control) {
  control.id ||= identifier("filter");
  return h("label", { for: control.id }, label);
}

/**
 * Filter by free text; "/" goes to it from anywhere.
 *
 * @param {string} name
 * @param {string} label
 * @param {{main?: boolean, placeholder?: string}} [options]
 * @returns {MakeFilter}
 */
export const textFilter =
  (name, label, { main = false, placeholder = "" } = {}) =>
  (query, changed) => {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let waiting;
    const input = h("input", {
      type: "search",
      value: query[name] ?? "",
      placeholder,
      autocomplete: "off",
      spellcheck: "false",
      "data-search": main,
      oninput: () => {
        clearTimeout(waiting);
        waiting = setTimeout(changed, DELAY);
      },
    });
    return {
      name,
      value: () => input.value.trim(),
      element: h(
        "div",
        { class: main ? "filter main" : "filter" },
        main && icon("search"),
        labelFor(label, input),
        input,
      ),
    };
  };

/**
 * @param {string} name
 * @param {string} label
 * @param {Option[]} options
 * @returns {MakeFilter}
 */
export const selectFilter = (name, label, options) => (query, changed) => {
  const select = h(
    "select",
    { onchange: changed },
    options.map((option) => h("option", { value: option.value }, option.label)),
  );
  select.value = options.some(({ value }) => value === query[name]) ? query[name] : "";
  return { name, value: () => select.value, element: h("div", { class: "filter" }, labelFor(label, select), select) };
};

/**
 * @param {string} name
 * @param {string} label
 * @returns {MakeFilter}
 */
export const checkFilter = (name, label) => (query, changed) => {
  const box = h("input", { type: "checkbox", checked: query[name] === "true", onchange: changed });
  return {
    name,
    value: () => (box.checked ? "true" : ""),
    element: h("div", { class: "filter check" }, h("label", {}, box, h("span", {}, label))),
  };
};

/**
 * Filter by one of what a search finds.
 *
 * @param {string} name
 * @param {string} label
 * @param {Search<Choice>} search
 * @param {object} [options]
 * @param {string | null} [options.shown] what the box holds at first, where that is not the value itself
 * @param {boolean} [options.chosen] whether only what was chosen counts, and not what was merely typed
 * @param {string} [options.placeholder]
 * @returns {MakeFilter}
 */
export const comboFilter =
  (name, label, search, { shown = null, chosen = false, placeholder = "" } = {}) =>
  (query, changed) => {
    const value = query[name] ? { value: query[name], text: shown ?? query[name] } : null;
    const box = combobox({ label, search, value, pick: changed, placeholder });
    box.input.addEventListener("change", () => setTimeout(changed, DELAY)); // what was typed and not chosen
    return {
      name,
      value: () => (chosen ? box.taken() : box.value())?.value ?? "",
      element: h("div", { class: "filter" }, labelFor(label, box.input), box.element),
    };
  };

/**
 * Filter by a day, as the calendar here has it.
 *
 * @param {string} name
 * @param {string} label
 * @returns {MakeFilter}
 */
export const dayFilter = (name, label) => (query, changed) => {
  const id = identifier(name);
  const errors = h("p", { class: "field-error", id });
  const input = h("input", {
    type: "date",
    min: "1970-01-02", // a day within what the API takes, whatever the time zone
    max: "2199-12-30",
    value: query[name] ?? "",
    "aria-describedby": id,
    onchange: () => {
      check();
      changed();
    },
  });
  const check = () => showErrors(errors, [input], input.validity.valid ? [] : ["Choose a day from 1970 to 2199."]);
  check();
  return {
    name,
    value: () => input.value,
    element: h("div", { class: "filter" }, labelFor(label, input), input, errors),
  };
};

onKey("/", () => {
  if (!document.querySelector("[data-search]")) return false;
  focusFirst(document, "[data-search]");
  return true;
});
