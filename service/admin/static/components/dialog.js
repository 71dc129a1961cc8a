// Dialogs over the page: the browser's own <dialog>, which keeps the focus in and gives it back.

import { h, identifier } from "../dom.js";
import { button, iconButton } from "./buttons.js";

/**
 * Open a dialog.
 *
 * @param unsaved whether closing it would lose something; then the person is asked first
 * @param loses what to ask then
 * @returns {{close: (result?: unknown) => void, closed: Promise<unknown>, element: HTMLDialogElement}}
 */
export function openDialog({ title, content, unsaved = () => false, loses = TYPED }) {
  const heading = identifier("dialog");
  const before = document.activeElement;
  let finish;
  const closed = new Promise((resolve) => {
    finish = resolve;
  });
  const dismiss = async () => {
    if (!unsaved() || (await askToDiscard(loses))) close(null);
  };
  const element = h(
    "dialog",
    { "aria-labelledby": heading },
    h("header", {}, h("h2", { id: heading }, title), iconButton("close", "Close", dismiss)),
    content,
  );
  const close = (result) => {
    open.delete(handle);
    element.close();
    element.remove();
    if (!before?.isConnected) document.querySelector("h1")?.focus();
    finish(result);
  };
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    event.preventDefault();
    event.stopPropagation();
    dismiss();
  });
  element.addEventListener("cancel", (event) => {
    if (event.target !== element) return;
    event.preventDefault();
    dismiss();
  });
  const handle = { close, closed, element, unsaved };
  open.add(handle);
  document.body.append(element);
  element.showModal();
  element.querySelector("[autofocus], form input, form select, form textarea")?.focus();
  return handle;
}

const open = new Set();

/** Whether closing the dialogs that are open would lose something. */
export const dialogsUnsaved = () => [...open].some(({ unsaved }) => unsaved());

/** Close all of them, as the view below them goes. */
export function closeDialogs() {
  for (const { close } of [...open].reverse()) close(null);
}

const TYPED = {
  title: "Discard what you typed?",
  says: "It has not been saved.",
  stay: "Keep editing",
  leave: "Discard",
};

/** Whether what was typed may go. */
export function askToDiscard({ title, says, stay: stays, leave } = TYPED) {
  const stay = button(stays, () => dialog.close(false), { kind: "primary" });
  stay.autofocus = true;
  const dialog = openDialog({
    title,
    content: h(
      "div",
      { class: "dialog-body" },
      h("p", {}, says),
      h(
        "footer",
        {},
        button(leave, () => dialog.close(true), { kind: "danger" }),
        stay,
      ),
    ),
  });
  return dialog.closed;
}
