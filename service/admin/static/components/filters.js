// Filters above a list. They stand in the address, so that a search can be kept, sent, and come back to.

import { h, identifier } from "../dom.js";
import { setFilters } from "../router.js";
import { combobox } from "./combobox.js";
import { icon } from "./icons.js";

const DELAY = 200; // milliseconds without a key before it is searched

/**
 * A bar of filters.
 *
 * @param path of the view whose address they are written into
 * @param makers of controls, each given (query, changed)
 * @returns {{element: HTMLElement, values: () => object, any: () => boolean}}
 */
export function filters(path, query, makers, onchange) {
  const changed = () => {
    const now = JSON.stringify(values());
    if (now === last) return; // as a choice that was taken tells of itself twice
    last = now;
    setFilters(path, values());
    onchange();
  };
  const controls = makers.map((make) => make(query, changed));
  const values = () => Object.fromEntries(controls.map((control) => [control.name, control.value()]));
  let last = JSON.stringify(values());
  const element = h(
    "search",
    { class: "filters" },
    controls.map((control) => control.element),
  );
  return { element, values, any: () => Object.values(values()).some(Boolean) };
}

const labelled = (label, control) => {
  control.id ||= identifier("filter");
  return [h("label", { for: control.id }, label), control];
};

/** Free text; "/" goes to it from anywhere. */
export const textFilter =
  (name, label, { main = false, placeholder = "" } = {}) =>
  (query, changed) => {
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
      element: h("div", { class: main ? "filter main" : "filter" }, main && icon("search"), labelled(label, input)),
    };
  };

export const selectFilter = (name, label, choices) => (query, changed) => {
  const select = h(
    "select",
    { onchange: changed },
    choices.map((choice) => h("option", { value: choice.value }, choice.word)),
  );
  select.value = choices.some(({ value }) => value === query[name]) ? query[name] : "";
  return { name, value: () => select.value, element: h("div", { class: "filter" }, labelled(label, select)) };
};

export const checkFilter = (name, label) => (query, changed) => {
  const box = h("input", { type: "checkbox", checked: query[name] === "true", onchange: changed });
  return {
    name,
    value: () => (box.checked ? "true" : ""),
    element: h("div", { class: "filter check" }, h("label", {}, box, h("span", {}, label))),
  };
};

/**
 * One of what a search finds.
 *
 * @param shown what the box holds at first, where that is not the value itself
 * @param chosen whether only what was chosen counts, and not what was merely typed
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
      element: h("div", { class: "filter" }, labelled(label, box.input)[0], box.element),
    };
  };

/** A day, as the calendar here has it. */
export const dayFilter = (name, label) => (query, changed) => {
  const input = h("input", { type: "date", value: query[name] ?? "", onchange: changed });
  return { name, value: () => input.value, element: h("div", { class: "filter" }, labelled(label, input)) };
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, dialog");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector("[data-search]");
  if (!search) return;
  event.preventDefault();
  search.focus();
});
