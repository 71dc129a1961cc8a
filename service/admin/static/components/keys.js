// The keys of this page beside those that browsers give to links, fields and buttons; "?" lists them.

import { closest, h } from "../dom.js";
import { button } from "./buttons.js";
import { openDialog } from "./dialog.js";

/** @import { Child } from "../dom.js" */

// Where a key is a letter that is typed, or where what is below is out of reach.
const TYPING = 'input:not([type="checkbox"], [type="radio"]), textarea, select, dialog';

/** @type {[keys: string[], does: string][]} */
const KEYS = [
  [["/"], "Go to the search of the page"],
  [["?"], "Show these keys"],
  [["Tab"], "Go to the next link, field or button; with Shift, to the one before"],
  [["Enter"], "Follow a link, press a button, order a list by the head of a column"],
  [["Space"], "Select a row; with Shift, all from the row that was selected last"],
  [["↓", "↑"], "Go through the choices below a box; Enter takes one"],
  [["Esc"], "Close a dialog, a list of choices or the menu"],
];

/**
 * Let a key do something, wherever no text is typed.
 *
 * @param {string} key
 * @param {() => boolean} act returns whether it did anything
 */
export function onKey(key, act) {
  document.addEventListener("keydown", (event) => {
    if (event.key !== key || event.ctrlKey || event.metaKey || event.altKey || closest(event, TYPING)) return;
    if (act()) event.preventDefault();
  });
}

/** List the keys in a dialog. */
export function showKeys() {
  const close = button("Close", () => dialog.close(null), { kind: "primary" });
  const dialog = openDialog({
    title: "Keys",
    content: h(
      "div",
      { class: "dialog-body" },
      h(
        "dl",
        { class: "keys" },
        KEYS.map(([keys, does]) =>
          h(
            "div",
            {},
            h(
              "dt",
              {},
              keys.map((key) => h("kbd", {}, key)),
            ),
            h("dd", {}, does),
          ),
        ),
      ),
      h("footer", {}, close),
    ),
  });
  close.focus();
}

onKey("?", () => {
  if (!document.querySelector(".bar")) return false; // nobody is signed in
  showKeys();
  return true;
});
