// A combobox that takes several choices, one after the other.

import { h, identifier, replace } from "../dom.js";
import { button, iconButton } from "./buttons.js";
import { combobox } from "./combobox.js";
import { around } from "./fields.js";

/** @import { Search } from "./combobox.js" */
/** @import { Choice } from "./listbox.js" */

/**
 * Make it: what is in the box counts, and what was put beside it by its button.
 *
 * @template {Choice} Offered
 * @param {object} options
 * @param {string} options.label
 * @param {Search<Offered>} options.search
 * @param {string} [options.placeholder]
 */
export function several({ label, search, placeholder = "" }) {
  /** @type {Map<string, Offered>} */
  const beside = new Map();
  const box = combobox({
    label,
    placeholder,
    search: async (text, signal) => (await search(text, signal)).filter((choice) => !beside.has(keyOf(choice))),
    pick: (choice) => {
      more.hidden = choice === null;
    },
  });
  box.input.id = identifier("several");
  const list = h("ul", { class: "chips", "aria-label": `${label}: chosen` });
  const more = button("Add another", () => {
    const choice = taken(box.taken());
    if (choice) beside.set(keyOf(choice), choice);
    box.clear();
    draw();
    box.input.focus();
  });
  more.hidden = true;
  list.hidden = true;

  /** @param {unknown} choice */
  const taken = (choice) => /** @type {Offered | null} */ (choice);

  function draw() {
    more.hidden = box.taken() === null;
    list.hidden = beside.size === 0;
    replace(
      list,
      [...beside.values()].map((choice) =>
        h(
          "li",
          {},
          h("bdi", { class: "name" }, choice.text),
          iconButton("close", `Without ${choice.text}`, () => {
            beside.delete(keyOf(choice));
            draw();
            box.input.focus();
          }),
        ),
      ),
    );
  }

  return {
    input: box.input,
    element: h("div", { class: "several" }, list, h("div", { class: "several-box" }, box.element, more)),
    /** Return what was chosen. */
    choices: () => {
      const last = taken(box.taken());
      return [
        ...new Map([...beside, .../** @type {[string, Offered][]} */ (last ? [[keyOf(last), last]] : [])]).values(),
      ];
    },
    /** Return what was typed and not chosen. */
    typed: () => (box.taken() ? "" : box.input.value.trim()),
    clear: () => {
      beside.clear();
      box.clear();
      draw();
    },
  };
}

/** @param {Choice & {kind?: string}} choice */
const keyOf = (choice) => `${choice.kind ?? ""} ${choice.value}`;

/**
 * Make it the field of a form, whose value is what was chosen.
 *
 * @template {Choice} Offered
 * @param {string} name
 * @param {string} label
 * @param {{search: Search<Offered>, hint?: string}} options
 */
export function severalField(name, label, { search, hint = "" }) {
  const box = several({ label, search });
  return {
    ...around(name, label, box.input, { hint }, box.element),
    value: () => [...box.choices().map(keyOf), box.typed()],
    choices: box.choices,
    typed: box.typed,
  };
}
