// Rows of a CSV file that a spreadsheet opens, and takes nothing in for a formula.

import { utc } from "../time.js";
import { showKnown } from "./names.js";
import { tell } from "./sentences.js";

/** @import { AuditEntry } from "../../answers.d.ts" */

const COLUMNS = ["id", "at", "actor", "action", "target", "sentence", "before", "after", "token_id", "request_id"];

// What spreadsheets take for the beginning of a formula, also behind blanks, which some drop; and line breaks, which begin
// a cell anew for others.
const FORMULA = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/;

/**
 * Write a cell; an apostrophe, which spreadsheets do not show, keeps what looks like a formula a text.
 *
 * @param {string} text
 */
export const cell = (text) => `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;

/** @param {string[]} texts */
export const csvLine = (texts) => `${texts.map(cell).join(",")}\r\n`;

export const HEAD = csvLine(COLUMNS);

/** @param {AuditEntry} entry */
export const cells = (entry) => [
  String(entry.id),
  utc(entry.at),
  entry.actor,
  entry.action,
  entry.target,
  tell(entry, showKnown).textContent ?? "",
  entry.before ? JSON.stringify(entry.before) : "",
  entry.after ? JSON.stringify(entry.after) : "",
  entry.token_id ?? "",
  entry.request_id ?? "",
];
