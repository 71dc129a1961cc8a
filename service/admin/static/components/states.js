// What stands in the place of content that is not there: because there is none, or because it could not be had.

import { ApiError, SignedOut } from "../api.js";
import { add, h } from "../dom.js";
import { button } from "./buttons.js";
import { icon } from "./icons.js";

/** Nothing there yet, and what to do next. */
export function empty(symbol, title, says, ...actions) {
  return h(
    "div",
    { class: "state" },
    icon(symbol),
    h("p", { class: "state-title" }, title),
    h("p", {}, says),
    actions.length > 0 && h("div", { class: "actions" }, actions),
  );
}

/** Something failed: in the API's own words, with the way on. */
export function failure(error, retry) {
  const title =
    error instanceof ApiError && error.status === 404
      ? "It is not there"
      : (TITLES[error.status] ?? "That did not work");
  const box = h(
    "div",
    { class: "state error", role: "alert" },
    icon("warning"),
    h("p", { class: "state-title" }, title),
    h("p", {}, error.message),
  );
  if (error.requestId)
    add(box, h("p", { class: "muted" }, "Request ", h("code", { class: "identifier" }, error.requestId)));
  if (retry)
    add(box, h("div", { class: "actions" }, button(error instanceof SignedOut ? "Sign in" : "Try again", retry)));
  return box;
}

const TITLES = { 403: "You may not see this", 503: "The service is not available", 504: "It took too long" };
