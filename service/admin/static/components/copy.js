// Buttons that copy a text to the clipboard.

import { h, replace } from "../dom.js";
import { icon } from "./icons.js";
import { toast } from "./toast.js";

/** @import { IconName } from "./icons.js" */

const DONE = 2000; // milliseconds for which the button shows that it was done

/**
 * Make a button that copies a text.
 *
 * @param {string} text
 * @param {string} what names it to screen readers, as in "Copy the ID of Invoices"
 * @param {object} [options]
 * @param {string} [options.label] shown beside the drawing
 * @param {() => void} [options.done]
 * @param {string} [options.kind]
 */
export function copyButton(text, what, { label = "", done = () => {}, kind = "" } = {}) {
  const classes = label ? `button ${kind}` : "icon-button";
  const button = h("button", { type: "button", class: classes, "aria-label": what, title: what });
  const show = (/** @type {IconName} */ symbol, /** @type {string} */ word) => replace(button, icon(symbol), word);
  show("copy", label);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
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
    }, DONE);
  });
  return button;
}

/**
 * @param {string} text
 * @param {HTMLElement} near
 */
async function write(text, near) {
  // Browsers have no clipboard for pages that came without TLS; the old way works there.
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = h("textarea", { class: "visually-hidden", value: text, readonly: true });
  near.after(area); // beside the button, as everything outside of an open dialog is inert
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  near.focus();
  if (!copied) throw new Error("not copied");
}
