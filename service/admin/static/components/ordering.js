// The order of a list, which its columns' heads change and its address keeps.

import { h, identifier } from "../dom.js";

/** @import { MakeFilter } from "./filters.js" */

/**
 * An order that is offered where there is no room for columns: the API's name, and what it is called either way.
 *
 * @typedef {[by: string, ascending: string, descending: string]} Choice
 */

/**
 * The order of a list.
 *
 * @typedef {object} Ordering
 * @property {MakeFilter} filter puts it into the address, and into what is asked
 * @property {(by: string) => "ascending" | "descending" | null} of how the list is ordered by a column, if it is
 * @property {(by: string) => void} take orders by a column; the other way round if it is by it already
 */

/**
 * Make the order of a list.
 *
 * @param {string} initial the API's own order of the list, with "-" if it is descending
 * @param {Choice[]} choices
 * @returns {Ordering}
 */
export function ordering(initial, choices) {
  let value = initial;
  /** @type {() => void} */
  let tell = () => {};
  const words = choices.flatMap(([by, ascending, descending]) => [
    { word: by, label: ascending },
    { word: `-${by}`, label: descending },
  ]);
  /** @type {HTMLSelectElement} */
  const select = h(
    "select",
    { id: identifier("order"), onchange: () => void set(select.value) },
    words.map(({ word, label }) => h("option", { value: word }, label)),
  );

  /** @param {string} word */
  function set(word) {
    value = word;
    select.value = word;
    tell();
  }

  /** @param {string} by */
  const of = (by) => (value === by ? "ascending" : value === `-${by}` ? "descending" : null);
  return {
    filter: (query, changed) => {
      const known = words.some(({ word }) => word === query.order_by);
      set(known ? query.order_by : initial);
      tell = changed;
      return {
        name: "order_by",
        value: () => (value === initial ? "" : value),
        narrows: false,
        element: h("div", { class: "filter narrow-only" }, h("label", { for: select.id }, "Order"), select),
      };
    },
    of,
    take: (by) => set(of(by) === "ascending" ? `-${by}` : by),
  };
}
