// What is shown at addresses that lead nowhere, or to nothing for this caller.

import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { h } from "../dom.js";
import { address } from "../router.js";

export async function notFoundPage() {
  return {
    title: "No such page",
    content: [
      pageHeader("No such page"),
      empty(
        "search",
        "There is nothing at this address",
        "It may have been mistyped.",
        h("a", { class: "button primary", href: address("/pipelines") }, "Go to the pipelines"),
      ),
    ],
  };
}

/**
 * Show that a page, whose address the user has followed, is not for this user.
 *
 * @param {string} title
 * @param {string} reason
 */
export function notForCaller(title, reason) {
  return { title, content: [pageHeader(title), empty("warning", "This page is not for you", reason)] };
}
