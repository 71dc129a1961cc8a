// One click, and it is in the clipboard.

import { h, replace } from "../dom.js";
import { icon } from "./icons.js";
import { toast } from "./toast.js";

/**
 * A button that copies a text.
 *
 * @param what names it to screen readers, as in "Copy the ID of Invoices"
 * @param label is shown beside the drawing, if given
 */
export function copyButton(text, what, { label = "", done = () => {}, kind = "" } = {}) {
  const classes = label ? `button ${kind}` : "icon-button";
  const button = h("button", { type: "button", class: classes, "aria-label": what, title: what });
  const show = (symbol, word) => replace(button, icon(symbol), word);
  show("copy", label);
  let resting;
  button.addEventListener("click", async () => {
    try {
      await write(text, button);
    } catch {
      toast("The browser does not let this page copy. Select the text and copy it yourself.");
      return;
    }
    show("check", label && "Copied");
    button.classList.add("done");
    toast("Copied to the clipboard.");
    done();
    clearTimeout(resting);
    resting = setTimeout(() => {
      show("copy", label);
      button.classList.remove("done");
    }, 2000);
  });
  return button;
}

async function write(text, near) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Browsers have no clipboard for pages that came without TLS; the old way works there.
  const area = h("textarea", { class: "visually-hidden", value: text, readonly: true });
  near.after(area); // beside the button, as everything outside of an open dialog is inert
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  near.focus();
  if (!copied) throw new Error("not copied");
}
