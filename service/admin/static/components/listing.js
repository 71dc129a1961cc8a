// A list of which there may be very much: it comes by pages, and is searched by the service, never here.

import { ApiError } from "../api.js";
import { count, h, replace } from "../dom.js";
import { button } from "./buttons.js";
import { failure } from "./states.js";
import { row, table } from "./table.js";

const PAGE = 50;
const MOST = 1000; // that the API gives at once

/**
 * A list, with its first page.
 *
 * @param fetchPage ({page_size, page_token}, signal) → {items, next}
 * @param noun [one, many]
 * @param none () → what stands there if nothing fits
 * @param view the context of the view: how much was shown is remembered, for when one comes back
 */
export async function listing({ caption, columns, fetchPage, noun, none, view }) {
  const status = h("p", { class: "muted", role: "status" });
  const more = button("Show more", showMore);
  const place = h("div", { class: "list" });
  const element = h(
    "section",
    { "aria-label": caption, tabindex: "-1" },
    place,
    h("div", { class: "list-end" }, status, more),
  );
  let items = [];
  let next = null;
  let body = null;
  let loading = new AbortController();
  view.signal.addEventListener("abort", () => loading.abort());

  async function load() {
    loading.abort();
    loading = new AbortController();
    const { signal } = loading;
    const wanted = Math.min(MOST, Math.max(PAGE, view.memory.items ?? 0));
    const page = await fetchPage({ page_size: wanted }, signal);
    if (signal.aborted) return;
    ({ items, next } = page);
    const made = table(
      caption,
      columns,
      items.map((item) => row(columns, item)),
    );
    body = made.body;
    const held = place.contains(document.activeElement);
    replace(place, items.length > 0 ? made.element : none());
    if (held) element.focus({ preventScroll: true }); // what had the focus is gone, as a row that was deleted
    draw();
  }

  async function showMore() {
    if (more.getAttribute("aria-disabled")) return;
    more.setAttribute("aria-disabled", "true");
    try {
      await append();
    } catch (error) {
      // Pages belong to the token they were asked for with; after signing in anew they begin again.
      if (!(error instanceof ApiError && error.details.page_token)) throw error;
      await reload();
      if (next !== null) await append();
    } finally {
      more.removeAttribute("aria-disabled");
    }
  }

  async function append() {
    const { signal } = loading;
    const page = await fetchPage({ page_size: PAGE, page_token: next }, signal);
    if (signal.aborted) return;
    const rows = page.items.map((item) => row(columns, item));
    body.append(...rows);
    items = [...items, ...page.items];
    next = page.next;
    draw();
    rows[0]?.querySelector("a, button")?.focus();
  }

  function draw() {
    view.memory.items = items.length;
    more.hidden = next === null;
    const shown = count(items.length, ...noun);
    replace(status, items.length === 0 ? "" : next === null ? shown : `The first ${shown}`);
  }

  /** Ask again, as after a filter has changed. What is there stays until the answer comes. */
  async function reload({ anew = false } = {}) {
    if (anew) view.memory.items = 0;
    element.setAttribute("aria-busy", "true");
    try {
      await load();
    } catch (error) {
      if (error.name !== "AbortError") {
        replace(
          place,
          failure(error, () => reload()),
        );
        more.hidden = true;
        replace(status);
      }
    } finally {
      element.removeAttribute("aria-busy");
    }
  }

  await load();
  return { element, reload };
}

/** fetchPage of a call that answers a list under a name. */
export const pagesOf =
  (get, path, name, query = () => ({})) =>
  async (page, signal) => {
    const body = await get(path, { ...query(), ...page }, signal);
    return { items: body[name], next: body.next_page_token ?? null };
  };
