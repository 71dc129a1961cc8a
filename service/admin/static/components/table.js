// Tables that become cards where there is no room for columns. The roles are written out, as browsers drop them when
// CSS lays a table out as something else.

import { h } from "../dom.js";

/** @import { Child } from "../dom.js" */

/**
 * A column of a table.
 *
 * @template Item
 * @typedef {object} Column
 * @property {string} label empty for the column of actions
 * @property {(item: Item) => Child} cell
 * @property {string} [class]
 */

/**
 * Make the cells of one row; the first column names the row.
 *
 * @template Item
 * @param {Column<Item>[]} columns
 * @param {Item} item
 */
export function row(columns, item) {
  return h(
    "tr",
    { role: "row" },
    columns.map((column, index) =>
      index === 0
        ? h("th", { role: "rowheader", scope: "row", class: column.class }, column.cell(item))
        : h("td", { role: "cell", class: column.class, "data-label": column.label }, column.cell(item)),
    ),
  );
}

/**
 * @template Item
 * @param {string} caption
 * @param {Column<Item>[]} columns
 * @param {Item[]} items
 */
export function table(caption, columns, items) {
  const rows = items.map((item) => row(columns, item));
  const body = h("tbody", { role: "rowgroup" }, rows);
  const head = h(
    "thead",
    { role: "rowgroup" },
    h(
      "tr",
      { role: "row" },
      columns.map((column) =>
        column.label
          ? h("th", { role: "columnheader", scope: "col", class: column.class }, column.label)
          : h("td", { role: "cell", class: column.class }, h("span", { class: "visually-hidden" }, "Actions")),
      ),
    ),
  );
  const element = h("table", { role: "table" }, h("caption", { class: "visually-hidden" }, caption), head, body);
  return { element, body };
}
