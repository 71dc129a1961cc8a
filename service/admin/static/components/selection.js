// Rows that are selected: by their boxes, a range of them by Shift, all that are shown, or all that fit the filters.

import { closest, count, h, replace } from "../dom.js";
import { button } from "./buttons.js";
import { toast } from "./toast.js";

/** @import { Child } from "../dom.js" */
/** @import { Memory } from "../router.js" */
/** @import { FetchPage } from "./listing.js" */

const MAX_SELECTED = 10_000;
const PAGE = 1000; // items, the most that the API gives at once

/**
 * What is selected of a list.
 *
 * @template Item
 */
export class Selection {
  /** @type {Map<string, {item: Item, input: HTMLInputElement | null}>} in the order of the list; a box comes with its row */
  #rows = new Map();
  /** @type {string | null} */
  #anchor = null;
  /** @type {number | null} */
  #fits = null;
  /** @type {FetchPage<Item> | null} */
  #fetchPage = null;

  /**
   * @param {object} options
   * @param {string} options.noun for one item
   * @param {(item: Item) => string} options.key
   * @param {Memory} options.memory keeps it, for when one comes back
   * @param {(selection: Selection<Item>) => Child} options.actions what can be done with those selected
   */
  constructor({ noun, key, memory, actions }) {
    this.noun = noun;
    this.key = key;
    memory.selected ??= new Map();
    /** @type {Map<string, Item>} */
    this.chosen = memory.selected;
    this.status = h("p", { role: "status" });
    this.all = button("", () => this.selectAll());
    /** @type {HTMLInputElement} */
    this.head = h("input", {
      type: "checkbox",
      "aria-label": `Select all ${noun}s that are shown`,
      onclick: () => this.#mark([...this.#rows.keys()], this.head.checked),
    });
    this.none = button("Select none", () => this.clear(), { kind: "quiet" });
    this.actions = h("div", { class: "selection-actions" }, actions(this));
    this.element = h(
      "section",
      { class: "selection", "aria-label": "Selection" },
      h("div", { class: "selection-count" }, this.status, this.all, this.none),
      this.actions,
    );
  }

  get items() {
    return [...this.chosen.values()];
  }

  clear() {
    this.chosen.clear();
    this.#draw();
  }

  /**
   * Take notice of what the list is about to show.
   *
   * @param {Item[]} items
   */
  begin(items) {
    const former = this.#rows;
    this.#rows = new Map();
    for (const item of items) this.#know(item, former.get(this.key(item))?.input ?? null);
    if (this.#anchor !== null && !this.#rows.has(this.#anchor)) this.#anchor = null;
  }

  /**
   * Take notice of what the list is about to show below.
   *
   * @param {Item[]} items
   */
  extend(items) {
    for (const item of items) this.#know(item, null);
  }

  /**
   * @param {Item} item
   * @param {HTMLInputElement | null} input
   */
  #know(item, input) {
    const key = this.key(item);
    this.#rows.set(key, { item, input });
    if (this.chosen.has(key)) this.chosen.set(key, item); // as it is now
  }

  /**
   * Make the box of a row.
   *
   * @param {Item} item
   */
  box(item) {
    const key = this.key(item);
    const checked = this.chosen.has(key);
    const input = h("input", { type: "checkbox", value: key, checked, "aria-label": `Select ${key}` });
    this.#rows.set(key, { item, input });
    return input;
  }

  /**
   * Take notice of what the list shows now.
   *
   * @param {number | null} fits how many fit the filters, if it is known
   * @param {FetchPage<Item>} fetchPage
   */
  update(fits, fetchPage) {
    this.#fits = fits;
    this.#fetchPage = fetchPage;
    this.#draw();
  }

  /**
   * Follow a click in the table.
   *
   * @param {MouseEvent} event
   */
  follow(event) {
    /** @type {HTMLInputElement | null} */
    const input = closest(event, ".pick input");
    if (!input) return;
    const keys = [...this.#rows.keys()];
    const from = event.shiftKey && this.#anchor !== null ? keys.indexOf(this.#anchor) : -1;
    const to = keys.indexOf(input.value);
    this.#anchor = input.value;
    this.#mark(from < 0 ? [input.value] : keys.slice(Math.min(from, to), Math.max(from, to) + 1), input.checked);
  }

  /** Read again what is selected, which somebody may have changed since it was shown. */
  async refresh() {
    if (!this.#fetchPage) return;
    for (const item of await fetchAll(this.#fetchPage, MAX_SELECTED)) {
      if (this.chosen.has(this.key(item))) this.chosen.set(this.key(item), item);
    }
  }

  /** Select all that fit the filters, shown or not. */
  async selectAll() {
    if (!this.#fetchPage || this.all.getAttribute("aria-disabled")) return;
    this.all.setAttribute("aria-disabled", "true");
    try {
      const found = await fetchAll(this.#fetchPage, MAX_SELECTED);
      for (const item of found) this.chosen.set(this.key(item), item);
      if (found.length === MAX_SELECTED) toast(`The first ${count(MAX_SELECTED, this.noun)} are selected.`);
    } finally {
      this.all.removeAttribute("aria-disabled");
      this.#draw();
    }
    this.none.focus();
  }

  /**
   * @param {string[]} keys
   * @param {boolean} whether
   */
  #mark(keys, whether) {
    for (const key of keys) {
      const row = this.#rows.get(key);
      if (whether && row) this.chosen.set(key, row.item);
      else this.chosen.delete(key);
    }
    this.#draw();
  }

  /** Have the boxes show what is selected; return how many of the rows are. */
  #check() {
    let shown = 0;
    for (const [key, { input }] of this.#rows) {
      const checked = this.chosen.has(key);
      shown += Number(checked);
      if (input) input.checked = checked;
    }
    return shown;
  }

  #draw() {
    const shown = this.#check();
    this.head.checked = shown > 0 && shown === this.#rows.size;
    this.head.indeterminate = shown > 0 && !this.head.checked;
    const some = this.chosen.size > 0;
    const fits = this.#fits ?? 0;
    this.element.classList.toggle("some", some);
    this.element.hidden = !some && fits === 0;
    this.actions.hidden = !some;
    this.none.hidden = !some;
    this.all.hidden = this.chosen.size >= fits;
    replace(this.all, `Select all ${fits.toLocaleString("en")}`);
    replace(this.status, some ? `${count(this.chosen.size, this.noun)} selected` : "");
  }
}

/**
 * Fetch all items of a list, page by page, but no more than so many.
 *
 * @template Item
 * @param {FetchPage<Item>} fetchPage
 * @param {number} limit
 */
export async function fetchAll(fetchPage, limit) {
  /** @type {Item[]} */
  const found = [];
  const { signal } = new AbortController();
  /** @type {string | null} */
  let next = null;
  do {
    const page = await fetchPage({ page_size: PAGE, page_token: next }, signal);
    found.push(...page.items);
    next = page.next;
  } while (next !== null && found.length < limit);
  return found.slice(0, limit);
}
