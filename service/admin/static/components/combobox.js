// A text box that searches while one types: the pattern "combobox with list" of the ARIA practices.

import { h, identifier, replace } from "../dom.js";

const DELAY = 200; // milliseconds without a key before it is searched

/**
 * A combobox.
 *
 * @param search (text, signal) → choices of {value, text, shown}: text is what the box then holds, shown an element
 * @param pick told the choice that was taken, or null when the box was emptied
 */
export function combobox({ label, search, pick = () => {}, value = null, placeholder = "" }) {
  const listId = identifier("choices");
  const input = h("input", {
    type: "text",
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": listId,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    placeholder,
    oninput: later,
    onkeydown: key,
    onfocus: () => input.select(),
    onblur: () => setTimeout(leave, 150), // after a click on a choice has arrived
  });
  const list = h("ul", { id: listId, role: "listbox", "aria-label": label, hidden: true });
  const element = h("div", { class: "combobox" }, input, list);
  let choices = [];
  let active = -1;
  let taken = value;
  let waiting;
  let searching = new AbortController();
  input.value = value?.text ?? "";

  function later() {
    clearTimeout(waiting);
    taken = null;
    if (!input.value.trim()) pick(null);
    waiting = setTimeout(look, DELAY);
  }

  async function look() {
    clearTimeout(waiting);
    searching.abort();
    searching = new AbortController();
    const { signal } = searching;
    try {
      choices = await search(input.value.trim(), signal);
    } catch (error) {
      if (signal.aborted) return;
      choices = [];
      return show(h("li", { class: "none", role: "option", "aria-disabled": "true" }, error.message));
    }
    if (signal.aborted || document.activeElement !== input) return;
    active = choices.length > 0 && input.value.trim() ? 0 : -1;
    show(
      choices.length > 0
        ? choices.map(option)
        : h("li", { class: "none", role: "option", "aria-disabled": "true" }, "Nothing fits."),
    );
  }

  function option(choice, index) {
    return h(
      "li",
      { role: "option", id: `${listId}-${index}`, onmousedown: (event) => (event.preventDefault(), take(choice)) },
      choice.shown ?? choice.text,
    );
  }

  function show(...rows) {
    replace(list, rows);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark();
  }

  function mark() {
    [...list.children].forEach((row, index) => row.setAttribute("aria-selected", String(index === active)));
    if (active < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", `${listId}-${active}`);
    list.children[active].scrollIntoView({ block: "nearest" });
  }

  function hide() {
    clearTimeout(waiting);
    searching.abort();
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function take(choice) {
    taken = choice;
    input.value = choice.text;
    hide();
    pick(choice);
  }

  function leave() {
    if (document.activeElement !== input) hide();
  }

  function key(event) {
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      event.preventDefault();
      if (list.hidden) return look();
      if (choices.length === 0) return;
      active = (active + moves[event.key] + choices.length) % choices.length;
      mark();
    } else if (event.key === "Enter" && !list.hidden && active >= 0) {
      event.preventDefault();
      take(choices[active]);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault(); // the list closes, and not the dialog it is in
      hide();
    }
  }

  return {
    input,
    element,
    taken: () => taken,
    /** The choice that was taken; or one of what was typed, as whoever knows a name need not wait for the list. */
    value: () => taken ?? (input.value.trim() ? { value: input.value.trim(), text: input.value.trim() } : null),
    clear: () => {
      taken = null;
      input.value = "";
    },
  };
}

/** A combobox as the field of a form. */
export function comboField(name, label, { search, hint = "", value = null, read = (choice) => choice?.value ?? "" }) {
  const box = combobox({ label, search, value });
  const id = identifier(name);
  const errors = h("p", { class: "field-error", id: `${id}-error` });
  box.input.id = id;
  box.input.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
  return {
    name,
    control: box.input,
    element: h(
      "div",
      { class: "field" },
      h("label", { for: id }, label),
      box.element,
      h("p", { class: "hint", id: `${id}-hint` }, hint),
      errors,
    ),
    value: () => read(box.value()),
    clear: box.clear,
    focus: () => box.input.focus(),
    showErrors: (reasons) => {
      replace(errors, reasons.join(" "));
      box.input.setAttribute("aria-invalid", String(reasons.length > 0));
    },
  };
}
