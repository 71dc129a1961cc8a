// A list of which there may be very much: it comes by pages, and is searched and ordered by the service, never here.

import { ApiError, get, isAbort } from "../api.js";
import { count, focusFirst, h, replace } from "../dom.js";
import { button } from "./buttons.js";
import { Rows } from "./rows.js";
import { failure } from "./states.js";

/** @import { Page } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { View } from "../router.js" */
/** @import { Ordering } from "./ordering.js" */
/** @import { Selection } from "./selection.js" */
/** @import { Column } from "./table.js" */

/**
 * A page of a list; of a list that is counted, the first says how many there are in all.
 *
 * @template Item
 * @typedef {{items: Item[], next: string | null, total?: number, atLeast?: boolean}} FetchedPage
 */

/**
 * Fetches a page of a list.
 *
 * @template Item
 * @typedef {(page: {page_size: number, page_token?: string | null}, signal: AbortSignal) => Promise<FetchedPage<Item>>} FetchPage
 */

/**
 * A list on the page.
 *
 * @typedef {object} List
 * @property {HTMLElement} element
 * @property {(options?: {anew?: boolean}) => Promise<void>} reload
 */

/**
 * How much of a list is shown.
 *
 * @typedef {object} Shown
 * @property {number} length
 * @property {string | null} next
 * @property {number | null} total
 * @property {boolean} atLeast whether there are more than the total
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
 * @param {Ordering | null} [options.order]
 * @param {Selection<Item> | null} [options.selected]
 * @returns {Promise<List>}
 */
export async function listing({ caption, columns, fetchPage, noun, none, view, order = null, selected = null }) {
  const end = listEnd(noun, showMore);
  const place = h("div", { class: "list" });
  const element = h("section", { "aria-label": caption, tabindex: "-1" }, place, end.element);
  const rows = new Rows(caption, columns, { order, selected }, view);
  let shown = /** @type {Shown} */ ({ length: 0, next: null, total: null, atLeast: false });
  let loading = new AbortController();
  view.signal.addEventListener("abort", () => loading.abort());

  /** @param {boolean} anew whether it is another list than before */
  async function load(anew) {
    loading.abort();
    loading = new AbortController();
    const { signal } = loading;
    const { items, next, total = null, atLeast = false } = await fetchFirst(fetchPage, view.memory.items ?? 0, signal);
    if (signal.aborted) return;
    selected?.begin(items);
    const held = focused(place);
    view.filled = rows.show(items, signal, anew);
    put(place, items.length > 0 ? rows.element : none());
    refocus(place, held, element);
    update({ length: items.length, next, total, atLeast });
    if (element.isConnected) await view.filled; // or the view is shown meanwhile
  }

  async function append() {
    const { signal } = loading;
    const { items, next } = await fetchSome(fetchPage, { page_size: PAGE, page_token: shown.next }, signal);
    if (signal.aborted) return;
    selected?.extend(items);
    rows.append(items);
    const { length } = shown;
    update({ ...shown, length: length + items.length, next });
    focusFirst(rows.at(length), "a, button");
  }

  /** @param {Shown} now */
  function update(now) {
    shown = now;
    view.memory.items = now.length;
    end.update(now);
    selected?.update(now.total ?? (now.next === null ? now.length : null), fetchPage);
  }

  async function showMore() {
    if (await append().catch(isOutdated)) await reload();
    else return;
    if (shown.next !== null) await append();
  }

  /** Ask again, as after a filter has changed. What is there stays until the answer comes. */
  async function reload({ anew = false } = {}) {
    if (anew) {
      view.memory.items = 0;
      selected?.clear();
    }
    element.setAttribute("aria-busy", "true");
    try {
      await load(anew);
    } catch (error) {
      if (isAbort(error)) return;
      replace(place, failure(error, reload));
      end.clear();
    } finally {
      element.removeAttribute("aria-busy");
    }
  }

  await load(true);
  return { element, reload };
}

/**
 * Have a place hold this and nothing else; what is there already stays as it is.
 *
 * @param {HTMLElement} place
 * @param {Child} what
 */
function put(place, what) {
  if (!(what instanceof Node && place.contains(what))) replace(place, what);
}

/**
 * Return true if an error says that the list has to begin anew, as pages belong to the token that they were asked for
 * with, and another user has signed in.
 *
 * @param {unknown} error
 */
function isOutdated(error) {
  if (error instanceof ApiError && error.details.page_token) return true;
  throw error;
}

/**
 * Fetch a page that has items: those of the audit trail may be empty, and yet have one behind them.
 *
 * @template Item
 * @param {FetchPage<Item>} fetchPage
 * @param {Parameters<FetchPage<Item>>[0]} page
 * @param {AbortSignal} signal
 * @returns {Promise<FetchedPage<Item>>}
 */
async function fetchSome(fetchPage, page, signal) {
  const found = await fetchPage(page, signal);
  while (found.items.length === 0 && found.next !== null && !signal.aborted) {
    const { items, next } = await fetchPage({ ...page, page_token: found.next }, signal);
    found.items = items;
    found.next = next;
  }
  return found;
}

/**
 * Fetch the first page, or as many as are to be shown again.
 *
 * @template Item
 * @param {FetchPage<Item>} fetchPage
 * @param {number} wanted
 * @param {AbortSignal} signal
 * @returns {Promise<FetchedPage<Item>>}
 */
async function fetchFirst(fetchPage, wanted, signal) {
  const size = (/** @type {number} */ had) => Math.min(MAX_PAGE, Math.max(PAGE, wanted - had));
  const first = await fetchSome(fetchPage, { page_size: size(0) }, signal);
  while (first.next !== null && first.items.length < wanted && !signal.aborted) {
    const more = await fetchPage({ page_size: size(first.items.length), page_token: first.next }, signal);
    first.items.push(...more.items);
    first.next = more.next;
  }
  return first;
}

/**
 * Return what has the focus in a list: the head of a column by its order, something else, or nothing.
 *
 * @param {HTMLElement} place
 */
function focused(place) {
  const active = document.activeElement;
  if (!(active instanceof HTMLElement) || !place.contains(active)) return null;
  return active.dataset.order ?? "";
}

/**
 * Give the focus back that went with what was replaced, as a row that was deleted.
 *
 * @param {HTMLElement} place
 * @param {string | null} held
 * @param {HTMLElement} otherwise
 */
function refocus(place, held, otherwise) {
  if (held === null || place.contains(document.activeElement)) return;
  otherwise.focus({ preventScroll: true });
  if (held) focusFirst(place, `[data-order="${CSS.escape(held)}"]`);
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
    /** @param {Shown} shown */
    update(shown) {
      more.hidden = shown.next === null;
      replace(status, shown.length === 0 ? "" : extent(shown, noun));
    },
    clear() {
      more.hidden = true;
      replace(status);
    },
  };
}

/**
 * Say how much is shown, as in "The first 50 of 2,000 users".
 *
 * @param {Shown} shown
 * @param {string} noun
 */
function extent({ length, next, total, atLeast }, noun) {
  if (next === null) return count(length, noun);
  // What was counted of a search may be less than is shown.
  if (total === null || total <= length) return `The first ${count(length, noun)}`;
  return `The first ${length.toLocaleString("en")} of ${atLeast ? "more than " : ""}${count(total, noun)}`;
}

/**
 * Fetch the pages of a call that answers a list under a name. Empty ones are passed over: the API ends a page also once
 * it has examined so many rows.
 *
 * @template Item
 * @param {string} path
 * @param {string} name
 * @param {() => Record<string, string>} [query]
 * @param {{counted?: boolean}} [options] whether the API counts it
 * @returns {FetchPage<Item>}
 */
export const pagesOf =
  (path, name, query = () => ({}), { counted = false } = {}) =>
  async (page, signal) => {
    const total = counted && !page.page_token ? "true" : null;
    const asked = { ...query(), ...page };
    /** @type {Page & Record<string, any>} */
    const first = await get(path, { ...asked, total }, signal);
    let body = first;
    while (body[name].length === 0 && body.next_page_token) {
      body = await get(path, { ...asked, page_token: body.next_page_token }, signal);
    }
    return {
      items: body[name],
      next: body.next_page_token ?? null,
      total: first.total_size ?? (first.total_size_at_least || undefined),
      atLeast: first.total_size_at_least !== undefined,
    };
  };
