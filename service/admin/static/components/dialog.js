// Dialogs over the page: the browser's own <dialog>, which keeps the focus in and gives it back.

import { focusFirst, h, identifier } from "../dom.js";
import { button, iconButton } from "./buttons.js";

/** @import { Child } from "../dom.js" */

/**
 * An open dialog.
 *
 * @template [Result=unknown]
 * @typedef {object} Dialog
 * @property {HTMLDialogElement} element
 * @property {() => boolean} unsaved
 * @property {(result: Result | null) => void} close
 * @property {Promise<Result | null>} closed resolves to what it was closed with; null if it was dismissed
 */

/**
 * What to ask before something is lost.
 *
 * @typedef {object} Question
 * @property {string} title
 * @property {string} message
 * @property {string} stay
 * @property {string} leave
 */

/** @type {Question} */
const TYPED = {
  title: "Discard what you typed?",
  message: "It has not been saved.",
  stay: "Keep editing",
  leave: "Discard",
};

/** @type {Question} */
const SENT = {
  title: "Leave while this is being sent?",
  message: "It may be done all the same, and what comes of it is not shown.",
  stay: "Wait",
  leave: "Leave",
};

/** @type {Set<Dialog<any>>} */
const open = new Set();

/**
 * Open a dialog.
 *
 * @template Result
 * @param {object} options
 * @param {Child} options.title
 * @param {Child} options.content
 * @param {() => boolean} [options.unsaved] whether closing it would lose something; then the user is asked first
 * @param {Question} [options.loses] what to ask then
 * @returns {Dialog<Result>}
 */
export function openDialog({ title, content, unsaved = () => false, loses = TYPED }) {
  const heading = identifier("dialog");
  const before = document.activeElement;
  /** @type {(result: Result | null) => void} */
  let finish;
  /** @type {Promise<Result | null>} */
  const closed = new Promise((resolve) => {
    finish = resolve;
  });
  const dismiss = async () => {
    if (isSent(element)) return; // it is closed by what comes of it, which may be a secret that is shown but once
    if (!unsaved() || (await askToDiscard(loses))) close(null);
  };
  const element = h(
    "dialog",
    { "aria-labelledby": heading },
    h("header", {}, h("h2", { id: heading }, title), iconButton("close", "Close", dismiss)),
    content,
  );
  /** @param {Result | null} result */
  const close = (result) => {
    open.delete(handle);
    element.close();
    element.remove();
    if (!before?.isConnected) focusFirst(document, "h1");
    finish(result);
  };
  dismissBy(element, dismiss);
  const handle = { element, unsaved: () => unsaved() || isSent(element), close, closed };
  open.add(handle);
  document.body.append(element);
  element.showModal();
  focusFirst(element, "[autofocus], form input, form select, form textarea");
  return handle;
}

/**
 * Dismiss a dialog by the Escape key and by whatever else the browser has for it.
 *
 * @param {HTMLDialogElement} element
 * @param {() => unknown} dismiss
 */
function dismissBy(element, dismiss) {
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
}

/** Return whether closing the dialogs that are open would lose something. */
export const dialogsUnsaved = () => [...open].some(({ unsaved }) => unsaved());

/** Close all of them, as the view below them goes. */
export function closeDialogs() {
  for (const { close } of [...open].reverse()) close(null);
}

/**
 * Return whether a form in a dialog waits for the answer to what it has sent.
 *
 * @param {HTMLDialogElement} element
 */
const isSent = (element) => element.querySelector("form[aria-busy=true]") !== null;

/** @returns {Question} */
const usual = () => ([...open].some(({ element }) => isSent(element)) ? SENT : TYPED);

/** Ask whether what was typed, or sent, may go. */
export async function askToDiscard({ title, message, stay: stays, leave } = usual()) {
  const stay = button(stays, () => dialog.close(false), { kind: "primary" });
  stay.autofocus = true;
  /** @type {Dialog<boolean>} */
  const dialog = openDialog({
    title,
    content: h(
      "div",
      { class: "dialog-body" },
      h("p", {}, message),
      h(
        "footer",
        {},
        button(leave, () => dialog.close(true), { kind: "danger" }),
        stay,
      ),
    ),
  });
  return (await dialog.closed) === true;
}
