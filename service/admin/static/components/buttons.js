// Buttons and links that look like them.

import { h } from "../dom.js";
import { icon } from "./icons.js";
import { toast } from "./toast.js";

/** Does something when clicked; where that fails and says so nowhere else, it is said here. */
const guarded = (act) =>
  act &&
  (async (event) => {
    try {
      await act(event);
    } catch (error) {
      if (error.name !== "AbortError") toast(error.message);
    }
  });

/** kind: "primary", "danger", "quiet", or nothing. */
export function button(label, onclick, { kind = "", symbol = null, type = "button" } = {}) {
  return h("button", { type, class: `button ${kind}`, onclick: guarded(onclick) }, symbol && icon(symbol), label);
}

/** A button that shows a drawing alone; its label says what it does and to what. */
export function iconButton(symbol, label, onclick, kind = "") {
  return h(
    "button",
    { type: "button", class: `icon-button ${kind}`, "aria-label": label, title: label, onclick: guarded(onclick) },
    icon(symbol),
  );
}

export function link(href, ...content) {
  return h("a", { href }, content);
}
