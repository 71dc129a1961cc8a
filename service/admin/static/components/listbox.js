// The list of choices below a combobox: what it offers, and which choice is active.

import { h, identifier, replace } from "../dom.js";

/** @import { Child } from "../dom.js" */

/**
 * A choice of a list.
 *
 * @typedef {object} Choice
 * @property {string} value
 * @property {string} text what the text box holds once it is taken
 * @property {Child} [shown] what the list shows for it, where that is not its text
 */

/**
 * Make the list of a text box.
 *
 * @template {Choice} Offered
 * @param {object} options
 * @param {string} options.label
 * @param {HTMLInputElement} options.input keeps the focus; its attributes tell screen readers about the list
 * @param {(choice: Offered) => void} options.take told the choice that was clicked
 */
export function listbox({ label, input, take }) {
  const id = identifier("choices");
  const element = h("ul", { id, role: "listbox", "aria-label": label, hidden: true });
  /** @type {Offered[]} */
  let choices = [];
  let active = -1;
  input.setAttribute("aria-controls", id);

  /** @param {Child} rows */
  function open(rows) {
    replace(element, rows);
    element.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark();
  }

  function mark() {
    for (const [index, row] of [...element.children].entries()) {
      row.setAttribute("aria-selected", String(index === active));
    }
    if (active < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", `${id}-${active}`);
    element.children[active].scrollIntoView({ block: "nearest" });
  }

  /** @param {string} message */
  function explain(message) {
    choices = [];
    active = -1;
    open(h("li", { class: "none", role: "option", "aria-disabled": "true" }, message));
  }

  return {
    element,
    isOpen: () => !element.hidden,
    /** Return the choice that Enter takes. */
    active: () => (element.hidden ? null : (choices[active] ?? null)),
    /** Show a message in the place of choices. */
    explain,
    /**
     * Show these choices.
     *
     * @param {Offered[]} found
     * @param {boolean} first whether the first of them is active
     */
    offer(found, first) {
      if (found.length === 0) return explain("Nothing fits.");
      choices = found;
      active = first ? 0 : -1;
      open(found.map((choice, index) => option(`${id}-${index}`, choice, take)));
    },
    /** @param {1 | -1} step */
    move(step) {
      if (choices.length === 0) return;
      active = (active + step + choices.length) % choices.length;
      mark();
    },
    close() {
      element.hidden = true;
      input.setAttribute("aria-expanded", "false");
      input.removeAttribute("aria-activedescendant");
    },
  };
}

/**
 * @template {Choice} Offered
 * @param {string} id
 * @param {Offered} choice
 * @param {(choice: Offered) => void} take
 */
function option(id, choice, take) {
  const onmousedown = (/** @type {MouseEvent} */ event) => {
    event.preventDefault(); // the focus stays in the text box
    take(choice);
  };
  return h("li", { role: "option", id, onmousedown }, choice.shown ?? choice.text);
}
