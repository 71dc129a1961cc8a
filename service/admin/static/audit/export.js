// The audit trail as a file: read page by page, so that this page never holds more than one of them as text.

import { call } from "../api.js";
import { button } from "../components/buttons.js";
import { openDialog } from "../components/dialog.js";
import { choiceField } from "../components/fields.js";
import { form } from "../components/form.js";
import { count, h, replace } from "../dom.js";
import { cells, csvLine, HEAD } from "./csv.js";

/** @import { AuditEntry, Page } from "../../answers.d.ts" */
/** @import { Dialog } from "../components/dialog.js" */
/** @import { Values } from "../components/filters.js" */

/**
 * A form that the trail can be written in.
 *
 * @typedef {object} Format
 * @property {string} value
 * @property {string} label
 * @property {string} description
 * @property {string} type
 * @property {string} head
 * @property {(entry: AuditEntry) => string} line
 */

/**
 * The rest of an export: where it goes on, and how many parts and changes were written before.
 *
 * @typedef {{next: string | null, part: number, written: number}} Rest
 */

const PAGE_SIZE = 1000;
const MAX_CHANGES = 100_000; // of one file: what does not fit is in the next

/** @type {Format[]} */
const FORMATS = [
  {
    value: "csv",
    label: "CSV",
    description: "For a spreadsheet: one row a change, and the sentence of each",
    type: "text/csv;charset=utf-8",
    head: `\ufeff${HEAD}`,
    line: (entry) => csvLine(cells(entry)),
  },
  {
    value: "ndjson",
    label: "NDJSON",
    description: "For programs: one line a change, as the API answers it",
    type: "application/x-ndjson",
    head: "",
    line: (entry) => `${JSON.stringify(entry)}\n`,
  },
];

/**
 * Ask for a format, and save what the filters leave of the trail.
 *
 * @param {Values} query of the API
 */
export function exportTrail(query) {
  const abort = new AbortController();
  const format = choiceField("format", "Format", FORMATS, { value: "csv" });
  const progress = h("p", { role: "status" });
  /** @type {Rest} */
  let rest = { next: null, part: 0, written: 0 };
  const exporting = form({
    fields: [format],
    submit: "Export",
    intro: "The changes that the filters leave, newest first. Times in it are in UTC.",
    cancel: () => dialog.close(null),
    send: async () => {
      const wanted = FORMATS.find(({ value }) => value === format.value()) ?? FORMATS[0];
      const say = (/** @type {number} */ written) => replace(progress, `${count(written, "change")} so far …`);
      const saved = await savePart(wanted, query, rest, say, abort.signal);
      rest = saved;
      if (saved.next === null) finished(saved, progress, exporting.element, () => dialog.close(null));
      else replace(progress, sayPart(saved));
    },
  });
  /** @type {Dialog<null>} */
  const dialog = openDialog({ title: "Export the audit trail", content: exporting.element });
  exporting.element.querySelector("footer")?.before(progress);
  dialog.closed.then(() => abort.abort());
  return dialog.closed;
}

/** @param {Rest} saved */
const sayPart = ({ part, written }) =>
  `Part ${part} is saved, with the changes up to the ${written.toLocaleString("en")}th. Export once more for the next part.`;

/**
 * @param {Rest} saved
 * @param {HTMLElement} progress
 * @param {HTMLElement} element
 * @param {() => void} close
 */
function finished({ written, part }, progress, element, close) {
  replace(progress, `${count(written, "change")} exported${part > 1 ? `, in ${part} files` : ""}.`);
  const done = button("Done", close, { kind: "primary" });
  const footer = element.querySelector("footer");
  if (footer) replace(footer, done);
  for (const field of element.querySelectorAll("fieldset")) field.remove();
  done.focus();
}

/**
 * Save the next part.
 *
 * @param {Format} format
 * @param {Values} query
 * @param {Rest} rest
 * @param {(written: number) => void} say
 * @param {AbortSignal} signal
 * @returns {Promise<Rest>}
 */
async function savePart(format, query, rest, say, signal) {
  let [next, written] = [rest.next, rest.written];
  // Blobs hold what was read: the browser keeps them, on its disk if they are large, and the page's memory has one page.
  /** @type {Blob[]} */
  const pages = [new Blob([format.head])];
  do {
    const { audit, next_page_token: token } = await read(query, next, signal);
    pages.push(new Blob([audit.map(format.line).join("")]));
    next = token ?? null;
    written += audit.length;
    say(written);
  } while (next !== null && written - rest.written < MAX_CHANGES);
  const part = rest.part + 1;
  const several = part > 1 || next !== null;
  save(new Blob(pages, { type: format.type }), `audit-${stamp()}${several ? `-${part}` : ""}.${format.value}`);
  return { next, part, written };
}

/**
 * @param {Values} query
 * @param {string | null} next
 * @param {AbortSignal} signal
 */
async function read(query, next, signal) {
  /** @type {{body: Page & {audit: AuditEntry[]}}} */
  const { body } = await call("GET", "/audit", {
    query: { ...query, page_size: PAGE_SIZE, page_token: next },
    signal,
  });
  return body;
}

const stamp = () => new Date().toISOString().slice(0, 19).replace(/[:-]/g, "");

/**
 * @param {Blob} blob
 * @param {string} file
 */
function save(blob, file) {
  const href = URL.createObjectURL(blob);
  const link = h("a", { href, download: file });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(href), 60_000); // by when the browser has begun to read it
}
