// A list of which there may be very much: it comes by pages, and is searched by the service, never here.

import { ApiError, get, isAbort } from "../api.js";
import { count, focusFirst, h, replace } from "../dom.js";
import { button } from "./buttons.js";
import { failure } from "./states.js";
import { row, table } from "./table.js";

/** @import { Page } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { View } from "../router.js" */
/** @import { Column } from "./table.js" */

/**
 * Fetches a page of a list.
 *
 * @template Item
 * @typedef {(page: {page_size: number, page_token?: string | null}, signal: AbortSignal) => Promise<{items: Item[], next: string | null}>} FetchPage
 */

/**
 * A list on the page.
 *
 * @typedef {object} List
 * @property {HTMLElement} element
 * @property {(options?: {anew?: boolean}) => Promise<void>} reload
 */

const PAGE = 50;
const MAX_PAGE = 1000; // items, the most that the API gives at once

/**
 * Make a list, with its first page.
 *
 * @template Item
 * @param {object} options
 * @param {string} options.caption
 * @param {Column<Item>[]} options.columns
 * @param {FetchPage<Item>} options.fetchPage
 * @param {string} options.noun for one item
 * @param {() => Child} options.none what stands there if nothing fits
 * @param {View} options.view remembers how much was shown, for when one comes back
 * @returns {Promise<List>}
 */
export async function listing({ caption, columns, fetchPage, noun, none, view }) {
  const end = listEnd(noun, showMore);
  const place = h("div", { class: "list" });
  const element = h("section", { "aria-label": caption, tabindex: "-1" }, place, end.element);
  /** @type {{length: number, next: string | null, body: HTMLElement | null}} */
  let shown = { length: 0, next: null, body: null };
  let loading = new AbortController();
  view.signal.addEventListener("abort", () => loading.abort());

  async function load() {
    loading.abort();
    loading = new AbortController();
    const { signal } = loading;
    const wanted = Math.min(MAX_PAGE, Math.max(PAGE, view.memory.items ?? 0));
    const { items, next } = await fetchPage({ page_size: wanted }, signal);
    if (signal.aborted) return;
    const made = table(caption, columns, items);
    const held = place.contains(document.activeElement);
    replace(place, items.length > 0 ? made.element : none());
    if (held) element.focus({ preventScroll: true }); // what had the focus is gone, as a row that was deleted
    update({ length: items.length, next, body: made.body });
  }

  async function append() {
    const { signal } = loading;
    const { items, next } = await fetchPage({ page_size: PAGE, page_token: shown.next }, signal);
    if (signal.aborted) return;
    const rows = items.map((item) => row(columns, item));
    shown.body?.append(...rows);
    update({ ...shown, length: shown.length + items.length, next });
    focusFirst(rows[0], "a, button");
  }

  /** @param {typeof shown} now */
  function update(now) {
    shown = now;
    view.memory.items = now.length;
    end.update(now.length, now.next === null);
  }

  async function showMore() {
    try {
      await append();
    } catch (error) {
      // Pages belong to the token they were asked for with; after signing in anew they begin again.
      if (!(error instanceof ApiError && error.details.page_token)) throw error;
      await reload();
      if (shown.next !== null) await append();
    }
  }

  /** Ask again, as after a filter has changed. What is there stays until the answer comes. */
  async function reload({ anew = false } = {}) {
    if (anew) view.memory.items = 0;
    element.setAttribute("aria-busy", "true");
    try {
      await load();
    } catch (error) {
      if (isAbort(error)) return;
      replace(place, failure(error, reload));
      end.clear();
    } finally {
      element.removeAttribute("aria-busy");
    }
  }

  await load();
  return { element, reload };
}

/**
 * Make the end of a list: how much of it is shown, and a button for more.
 *
 * @param {string} noun
 * @param {() => Promise<void>} showMore
 */
function listEnd(noun, showMore) {
  const status = h("p", { class: "muted", role: "status" });
  const more = button("Show more", async () => {
    if (more.getAttribute("aria-disabled")) return;
    more.setAttribute("aria-disabled", "true");
    await showMore().finally(() => more.removeAttribute("aria-disabled"));
  });
  return {
    element: h("div", { class: "list-end" }, status, more),
    /**
     * @param {number} length
     * @param {boolean} complete
     */
    update(length, complete) {
      more.hidden = complete;
      const shown = complete ? count(length, noun) : `The first ${count(length, noun)}`;
      replace(status, length === 0 ? "" : shown);
    },
    clear() {
      more.hidden = true;
      replace(status);
    },
  };
}

/**
 * Fetch the pages of a call that answers a list under a name.
 *
 * @template Item
 * @param {string} path
 * @param {string} name
 * @param {() => Record<string, string>} [query]
 * @returns {FetchPage<Item>}
 */
export const pagesOf =
  (path, name, query = () => ({})) =>
  async (page, signal) => {
    /** @type {Page & Record<string, any>} */
    const body = await get(path, { ...query(), ...page }, signal);
    return { items: body[name], next: body.next_page_token ?? null };
  };
