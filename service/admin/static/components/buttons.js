// Buttons and links that look like them.

import { isAbort, messageOf } from "../api.js";
import { h } from "../dom.js";
import { icon } from "./icons.js";
import { toast } from "./toast.js";

/** @import { Child } from "../dom.js" */
/** @import { IconName } from "./icons.js" */

/**
 * What a button does when it is clicked.
 *
 * @typedef {(event: MouseEvent) => unknown} Act
 */

/**
 * Show as a toast what fails in an action that shows it nowhere else.
 *
 * @param {Act | null} act
 */
const guarded = (act) =>
  act &&
  (async (/** @type {MouseEvent} */ event) => {
    try {
      await act(event);
    } catch (error) {
      if (!isAbort(error)) toast(messageOf(error));
    }
  });

/**
 * Make a button.
 *
 * @param {Child} label
 * @param {Act | null} onclick
 * @param {object} [options]
 * @param {string} [options.kind] "primary", "danger", "quiet", or nothing
 * @param {IconName | null} [options.symbol]
 * @param {"button" | "submit"} [options.type]
 */
export function button(label, onclick, { kind = "", symbol = null, type = "button" } = {}) {
  return h("button", { type, class: `button ${kind}`, onclick: guarded(onclick) }, symbol && icon(symbol), label);
}

/**
 * Make a button that shows a drawing alone; its label tells what it does and to what.
 *
 * @param {IconName} symbol
 * @param {string} label
 * @param {Act} onclick
 * @param {string} [kind]
 */
export function iconButton(symbol, label, onclick, kind = "") {
  return h(
    "button",
    { type: "button", class: `icon-button ${kind}`, "aria-label": label, title: label, onclick: guarded(onclick) },
    icon(symbol),
  );
}
