// What stands in the place of content that is not there: because there is none, or because it could not be had.

import { ApiError, messageOf, SignedOut } from "../api.js";
import { h } from "../dom.js";
import { button } from "./buttons.js";
import { icon } from "./icons.js";

/** @import { Child } from "../dom.js" */
/** @import { IconName } from "./icons.js" */

/**
 * Show that nothing is there yet, and what to do next.
 *
 * @param {IconName} symbol
 * @param {string} title
 * @param {Child} message
 * @param {Child[]} actions
 */
export function empty(symbol, title, message, ...actions) {
  return h(
    "div",
    { class: "state" },
    icon(symbol),
    h("p", { class: "state-title" }, title),
    h("p", {}, message),
    actions.length > 0 && h("div", { class: "actions" }, actions),
  );
}

/**
 * Show that something failed: in the API's own words, with the way on where trying again can help.
 *
 * @param {unknown} error
 * @param {(() => unknown) | null} [retry]
 */
export function failure(error, retry = null) {
  const { status = 0, requestId = "" } = error instanceof ApiError ? error : {};
  const again = error instanceof SignedOut ? "Sign in" : "Try again";
  const helps = !LASTING.has(status);
  return h(
    "div",
    { class: "state error", role: "alert" },
    icon("warning"),
    h("p", { class: "state-title" }, TITLES.get(status) ?? "That did not work"),
    h("p", {}, messageOf(error)),
    requestId && h("p", { class: "muted" }, "Request ", h("code", { class: "identifier" }, requestId)),
    retry &&
      helps &&
      h(
        "div",
        { class: "actions" },
        button(again, () => retry()),
      ),
  );
}

// Asked again, these answer the same.
const LASTING = new Set([400, 403, 404, 405, 410, 414, 431]);

const TITLES = new Map([
  [403, "You may not see this"],
  [404, "Not found"],
  [503, "The service is not available"],
  [504, "It took too long"],
]);
