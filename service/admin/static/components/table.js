// Tables that become cards where there is no room for columns. The roles are written out, as browsers drop them when
// CSS lays a table out as something else.

import { h } from "../dom.js";
import { icon } from "./icons.js";

/** @import { Child } from "../dom.js" */
/** @import { Ordering } from "./ordering.js" */
/** @import { Selection } from "./selection.js" */

/**
 * A column of a table.
 *
 * @template Item
 * @typedef {object} Column
 * @property {string} label empty for the column of actions
 * @property {(item: Item) => Child} cell
 * @property {string} [class]
 * @property {string} [order] the API's name of the order by this column
 */

/**
 * What a table can have beside its columns.
 *
 * @template Item
 * @typedef {object} Extras
 * @property {Ordering | null} [order] by which the heads of columns order the list
 * @property {Selection<Item> | null} [selected] by which rows are selected
 */

/**
 * Make the cells of one row; the first column names the row.
 *
 * @template Item
 * @param {Column<Item>[]} columns
 * @param {Item} item
 * @param {Selection<Item> | null} [selected]
 */
export function row(columns, item, selected = null) {
  return h(
    "tr",
    { role: "row" },
    selected && h("td", { role: "cell", class: "pick" }, selected.box(item)),
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
  return h(
    "table",
    { role: "table" },
    h("caption", { class: "visually-hidden" }, caption),
    head(columns),
    h(
      "tbody",
      { role: "rowgroup" },
      items.map((item) => row(columns, item)),
    ),
  );
}

/**
 * Make the heads of columns.
 *
 * @template Item
 * @param {Column<Item>[]} columns
 * @param {Extras<Item>} [extras]
 */
export const head = (columns, { order = null, selected = null } = {}) =>
  h(
    "thead",
    { role: "rowgroup" },
    h(
      "tr",
      { role: "row" },
      selected && h("td", { role: "cell", class: "pick" }, selected.head),
      columns.map((column) => columnHead(column, order)),
    ),
  );

/**
 * @param {Pick<Column<any>, "label" | "class" | "order">} column
 * @param {Ordering | null} order
 */
function columnHead({ label, class: classes, order: by }, order) {
  if (!label) return h("td", { role: "cell", class: classes }, h("span", { class: "visually-hidden" }, "Actions"));
  const present = by && order ? order.of(by) : null;
  return h(
    "th",
    { role: "columnheader", scope: "col", class: classes, "aria-sort": present },
    by && order
      ? h(
          "button",
          { type: "button", class: "order", "data-order": by, onclick: () => order.take(by) },
          label,
          icon(present === "descending" ? "down" : present === "ascending" ? "up" : "order"),
        )
      : label,
  );
}
