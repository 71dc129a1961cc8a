// A short message that something was done; read out by screen readers, and gone by itself.

import { h } from "../dom.js";

/** @import { Child } from "../dom.js" */

const SECONDS = 6;

/** @param {Child[]} content */
export function toast(...content) {
  const region = document.getElementById("toasts");
  if (!region) return; // the page is going away
  const note = h("p", { class: "toast" }, content);
  region.replaceChildren(note);
  // Dialogs lie above everything else on the page, and so must a toast while one is open.
  if (document.querySelector("dialog[open]")) raise(region);
  setTimeout(() => note.remove(), SECONDS * 1000);
}

/** @param {HTMLElement} region */
function raise(region) {
  if (!("showPopover" in region)) return; // an older browser: the toast then stands below the dialog
  region.popover = "manual";
  if (region.matches(":popover-open")) region.hidePopover();
  region.showPopover();
}
