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
 * Do an action once at a time, also if it is clicked twice; show as a toast what fails and is shown nowhere else.
 *
 * @param {Act | null} act
 */
function guarded(act) {
  let running = false;
  return (
    act &&
    (async (/** @type {MouseEvent} */ event) => {
      if (running) return;
      running = true;
      try {
        await act(event);
      } catch (error) {
        if (!isAbort(error)) toast(messageOf(error));
      } finally {
        running = false;
      }
    })
  );
}

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
