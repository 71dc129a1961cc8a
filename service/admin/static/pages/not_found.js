import { h } from "../dom.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
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

/** What somebody sees who has followed an address to a page that is not for them. */
export function notForCaller(title, says) {
  return { title, content: [pageHeader(title), empty("warning", "This page is not for you", says)] };
}
