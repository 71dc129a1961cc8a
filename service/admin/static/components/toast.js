// A short word that something was done; read out by screen readers, and gone by itself.

import { h } from "../dom.js";

const SECONDS = 6;

export function toast(...content) {
  const region = document.getElementById("toasts");
  const note = h("p", { class: "toast" }, content);
  region.replaceChildren(note);
  // Dialogs lie above everything else on the page, and so must what is said while one is open.
  if (region.showPopover && document.querySelector("dialog[open]")) raise(region);
  setTimeout(() => note.remove(), SECONDS * 1000);
}

function raise(region) {
  region.popover = "manual";
  if (region.matches(":popover-open")) region.hidePopover();
  region.showPopover();
}
