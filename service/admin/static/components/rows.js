// The rows of a list, in parts of which the browser lays out those alone that are in sight; what has not changed stays
// when the list is shown anew, so that nothing moves and the page answers however many rows there are.

import { h } from "../dom.js";
import { head, row } from "./table.js";

/** @import { View } from "../router.js" */
/** @import { Column, Extras } from "./table.js" */

/**
 * How high the parts were and how wide the columns, and which part was in sight.
 *
 * @typedef {{heights: number[], columns: string, first: number}} Seen
 */

const PART = 50; // rows
const AT_ONCE = 50; // rows that come or go before others have their turn

/**
 * The rows of a list.
 *
 * @template Item
 */
export class Rows {
  /** @type {HTMLTableSectionElement[]} */
  #parts = [];
  /** @type {string[]} the items that are shown, as texts that tell them apart */
  #keys = [];
  /** @type {Map<string, HTMLElement>} */
  #made = new Map();
  /** @type {{length: number, row: HTMLElement}[]} by column, the row with the longest text in it */
  #longest = [];
  #width = 0;

  /**
   * @param {string} caption
   * @param {Column<Item>[]} columns
   * @param {Extras<Item>} extras
   * @param {View} view remembers what was in sight, for when one comes back
   */
  constructor(caption, columns, { order = null, selected = null }, { signal, memory }) {
    this.memory = memory;
    this.columns = columns;
    this.extras = { order, selected };
    this.head = head(columns, this.extras);
    this.element = h(
      "table",
      { role: "table", onclick: selected && ((/** @type {MouseEvent} */ event) => selected.follow(event)) },
      h("caption", { class: "visually-hidden" }, caption),
      this.head,
    );
    const resized = new ResizeObserver(() => this.#measure());
    resized.observe(this.element);
    signal.addEventListener("abort", () => {
      resized.disconnect();
      memory.seen = this.#seen();
    });
  }

  /**
   * Return the row at a place, if it is there.
   *
   * @param {number} index
   */
  at(index) {
    return this.#parts[Math.floor(index / PART)]?.rows[index % PART];
  }

  /** Return what a list that is come back to needs, to be as it was at once. */
  #seen() {
    if (this.#parts.length < 2) return null;
    const heights = this.#parts.map((part) => part.offsetHeight);
    const first = this.#parts.findIndex((part) => part.getBoundingClientRect().bottom > 0);
    return { heights, columns: this.element.style.getPropertyValue("--columns"), first };
  }

  /**
   * Show these items: some rows at once, those that were in sight first, and the others when the page has answered
   * what it is asked meanwhile.
   *
   * @param {Item[]} items
   * @param {AbortSignal} signal
   * @param {boolean} anew whether rows are made anew that are the same
   * @returns {Promise<void> | undefined} resolves once all are there; undefined if they are
   */
  show(items, signal, anew) {
    const { seen } = this.memory;
    this.memory.seen = null;
    if (seen) this.element.style.setProperty("--columns", seen.columns);
    const former = anew ? new Map() : this.#made;
    this.#made = new Map();
    this.#keys = items.map((item) => JSON.stringify(item));
    if (anew) this.#longest = [];
    for (const key of this.#keys) {
      const made = former.get(key);
      if (made) this.#made.set(key, made);
    }
    this.#drawHead();
    this.#frame(items.length, seen);
    const work = this.#work(items, former.size === 0 ? (seen?.first ?? 0) : 0);
    if (!this.#run(work)) return this.#goOn(work, signal);
  }

  /**
   * Show more items behind those that are shown.
   *
   * @param {Item[]} items
   */
  append(items) {
    const start = this.#keys.length;
    this.#keys.push(...items.map((item) => JSON.stringify(item)));
    this.#frame(this.#keys.length);
    for (const [index, item] of items.entries()) {
      const number = start + index;
      this.#parts[Math.floor(number / PART)].append(this.#row(item, this.#keys[number]));
    }
    this.#measure(true);
  }

  #drawHead() {
    const drawn = head(this.columns, this.extras);
    this.head.replaceWith(drawn);
    this.head = drawn;
  }

  /**
   * Have as many parts as so many rows take; those beyond are out of sight at once, and go later.
   *
   * @param {number} number
   * @param {Seen | null} [seen]
   */
  #frame(number, seen = null) {
    const wanted = Math.max(1, Math.ceil(number / PART));
    while (this.#parts.length < wanted) {
      const part = h("tbody", { role: "rowgroup" });
      this.#parts.push(part);
      this.element.append(part);
    }
    for (const [index, part] of this.#parts.entries()) {
      part.hidden = index >= wanted;
      part.style.setProperty("--rows", String(Math.min(PART, number - index * PART)));
      const height = seen?.heights[index];
      if (height) part.style.containIntrinsicBlockSize = `auto ${height}px`;
    }
    this.element.classList.toggle("long", number > PART);
  }

  /**
   * Fill the parts, one a step, and take away those that are left over; yield how many rows came or went.
   *
   * @param {Item[]} items
   * @param {number} first the part to begin with
   */
  *#work(items, first) {
    const wanted = Math.ceil(items.length / PART);
    const kept = new Set(this.#made.values());
    for (let step = 0; step < wanted; step += 1) {
      const start = ((first + step) % wanted) * PART;
      yield this.#fill(this.#parts[start / PART], items.slice(start, start + PART), start, kept);
    }
    while (this.#parts.length > Math.max(1, wanted)) {
      const part = this.#parts.pop();
      part?.remove();
      yield part?.rows.length ?? 0;
    }
    if (wanted === 0) this.#parts[0].replaceChildren();
  }

  /**
   * Make a part hold these items; return how many rows came or went.
   *
   * @param {HTMLTableSectionElement} part
   * @param {Item[]} items
   * @param {number} start
   * @param {Set<Element>} kept rows that stay, if it is in another part
   */
  #fill(part, items, start, kept) {
    const wanted = items.map((item, index) => {
      const key = this.#keys[start + index];
      return this.#made.get(key) ?? this.#row(item, key);
    });
    for (const each of wanted) kept.add(each);
    const gone = [...part.children].filter((each) => !kept.has(each));
    for (const each of gone) each.remove();
    let changed = gone.length;
    for (const [index, each] of wanted.entries()) {
      if (part.children[index] === each) continue;
      part.insertBefore(each, part.children[index] ?? null);
      changed += 1;
    }
    return changed;
  }

  /**
   * Make a row.
   *
   * @param {Item} item
   * @param {string} key
   */
  #row(item, key) {
    const made = row(this.columns, item, this.extras.selected);
    this.#made.set(key, made);
    for (const [index, cell] of [...made.cells].entries()) {
      const length = cell.textContent.length;
      if (length > (this.#longest[index]?.length ?? 0)) this.#longest[index] = { length, row: made };
    }
    return made;
  }

  /**
   * Work for as long as the page may be held; return whether all is done.
   *
   * @param {Generator<number, void>} work
   */
  #run(work) {
    for (let changed = 0; changed < AT_ONCE; ) {
      const step = work.next();
      if (step.done) {
        this.#measure(true);
        return true;
      }
      changed += step.value;
    }
    return false;
  }

  /**
   * @param {Generator<number, void>} work
   * @param {AbortSignal} signal
   */
  async #goOn(work, signal) {
    do {
      await new Promise((resolve) => setTimeout(resolve));
    } while (!signal.aborted && !this.#run(work));
  }

  /**
   * Make the columns of a long list as wide as a table would, that lays out the first rows and those with the longest
   * texts; and tell how high a row is, so that parts out of sight take the room that they will.
   *
   * @param {boolean} [again] though the list is as wide as it was
   */
  #measure(again = false) {
    const { element } = this;
    const { width } = element.getBoundingClientRect();
    if (width === 0 || (width === this.#width && !again)) return;
    this.#width = width;
    const [first] = this.#parts;
    if (!element.classList.contains("long") || !first) return;
    const columns = this.#widths(first);
    const fits = columns.reduce((sum, each) => sum + each, 0) <= width + 1;
    const track = (/** @type {number} */ each) => (fits ? `minmax(0, ${each}fr)` : `${each}px`);
    element.style.setProperty("--columns", columns.map(track).join(" "));
    element.style.setProperty("--row", `${first.offsetHeight / first.rows.length}px`);
  }

  /**
   * Return how wide the columns are, in pixels, as a table lays them out. The page stays as high as it is meanwhile, or
   * it would be scrolled up.
   *
   * @param {HTMLTableSectionElement} first
   */
  #widths(first) {
    const { element } = this;
    const around = element.parentElement ?? element;
    const place = scrollY;
    const longest = new Set(this.#longest.map((each) => each?.row).filter((each) => each?.parentElement !== first));
    const copies = [...longest].flatMap((each) => (each ? [each.cloneNode(true)] : []));
    around.style.minBlockSize = `${around.offsetHeight}px`;
    element.classList.add("measured");
    first.append(...copies);
    const widths = [...this.head.rows[0].cells].map((cell) => cell.getBoundingClientRect().width);
    for (const copy of copies) first.removeChild(copy);
    element.classList.remove("measured");
    around.style.minBlockSize = "";
    if (scrollY !== place) scrollTo(0, place);
    return widths;
  }
}
