// A small form beside what is selected: choose something, and do something with it.

import { h } from "../dom.js";
import { button } from "./buttons.js";
import { several } from "./several.js";
import { toast } from "./toast.js";

/** @import { Search } from "./combobox.js" */
/** @import { Choice } from "./listbox.js" */

/**
 * @template {Choice} Offered
 * @param {object} options
 * @param {string} options.label
 * @param {Search<Offered>} options.search
 * @param {[label: string, act: (choices: Offered[]) => unknown][]} options.buttons the first is what Enter does
 */
export function selectionForm({ label, search, buttons }) {
  const box = several({ label, search, placeholder: label });
  const acting = (/** @type {(choices: Offered[]) => unknown} */ act) => async () => {
    const choices = box.choices();
    if (choices.length === 0 || box.typed()) {
      toast(`Choose a ${label.toLowerCase()} of the list.`);
      box.input.focus();
      return;
    }
    await act(choices);
    box.clear();
  };
  const [[, first]] = buttons;
  return h(
    "form",
    {
      novalidate: true,
      onsubmit: (/** @type {SubmitEvent} */ event) => {
        event.preventDefault();
        acting(first)();
      },
    },
    h("label", { for: box.input.id, class: "visually-hidden" }, label),
    box.element,
    buttons.map(([text, act], index) => button(text, acting(act), { kind: index === 0 ? "primary" : "" })),
  );
}
