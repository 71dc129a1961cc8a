// Lines that are pasted or read from a file, with a preview of what each will do.

import { count, h, identifier, replace } from "../dom.js";
import { openDialog } from "./dialog.js";
import { form, InvalidInput } from "./form.js";
import { badge } from "./inline.js";

/** @import { Child } from "../dom.js" */
/** @import { Dialog } from "./dialog.js" */

/**
 * What one entry will do: something, nothing, or it can't.
 *
 * @template Value
 * @typedef {{text: string, says: string, value: Value | null, wrong?: boolean}} Entry
 */

const MAX_SHOWN = 100;
const MAX_BYTES = 5_000_000;
const MANY = 2000; // letters
const DELAY = 150; // milliseconds without a key before it is read

/**
 * Ask for lines; return the values of those entries that will do something, or null.
 *
 * @template Value
 * @param {object} options
 * @param {Child} options.title
 * @param {string} options.label
 * @param {string} options.hint
 * @param {string} options.noun for one entry
 * @param {string} options.doing what is to become of it, as in "to create"
 * @param {string} options.submit
 * @param {(rows: string[][]) => Entry<Value>[]} options.read
 * @returns {Promise<Value[] | null>}
 */
export async function askForLines({ title, label, hint, noun, doing, submit, read }) {
  const field = linesField(label, hint);
  const preview = h("div", { class: "preview", role: "status" });
  /** @type {Entry<Value>[]} */
  let entries = [];
  const draw = () => {
    entries = read(rowsOf(field.value()));
    replace(preview, previewOf(entries, noun, doing));
  };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  field.control.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(draw, DELAY);
  });
  const asking = form({
    fields: [field, { ...field, name: "preview", element: preview, value: () => "", showErrors: () => {} }],
    submit,
    cancel: () => dialog.close(null),
    send: () => {
      draw();
      const values = entries.flatMap(({ value }) => (value === null ? [] : [value]));
      if (values.length === 0) throw new InvalidInput({ lines: ["There is nothing in it that would do anything."] });
      dialog.close(values);
    },
  });
  /** @type {Dialog<Value[]>} */
  const dialog = openDialog({ title, content: asking.element, unsaved: asking.unsaved });
  dialog.element.classList.add("wide");
  return dialog.closed;
}

/**
 * Paste a long text in one piece: browsers put it in line by line, and lay the page out after each, which takes ten
 * seconds for 2,000 lines.
 *
 * @param {ClipboardEvent} event
 */
function pasteAtOnce(event) {
  const { currentTarget: control } = event;
  const text = event.clipboardData?.getData("text/plain") ?? "";
  if (!(control instanceof HTMLTextAreaElement) || text.length < MANY) return;
  event.preventDefault();
  control.setRangeText(text.replaceAll(/\r\n?/g, "\n"), control.selectionStart, control.selectionEnd, "end");
  control.dispatchEvent(new InputEvent("input", { inputType: "insertFromPaste", bubbles: true }));
}

/**
 * @param {string} label
 * @param {string} hint
 */
function linesField(label, hint) {
  const id = identifier("lines");
  const errors = h("p", { class: "field-error", id: `${id}-error` });
  const control = h("textarea", {
    id,
    rows: 6,
    spellcheck: "false",
    "aria-describedby": `${id}-hint ${id}-error`,
    onpaste: pasteAtOnce,
  });
  const file = h("input", {
    type: "file",
    accept: ".csv,.tsv,.txt,text/csv,text/plain",
    "aria-label": "Read a file",
    onchange: async () => {
      const [chosen] = file.files ?? [];
      if (!chosen) return;
      if (chosen.size > MAX_BYTES) return show(["The file is larger than 5 MB."]);
      show([]);
      control.value = await chosen.text();
      control.dispatchEvent(new Event("input"));
    },
  });
  const show = (/** @type {string[]} */ reasons) => {
    replace(errors, reasons.join(" "));
    control.setAttribute("aria-invalid", String(reasons.length > 0));
  };
  return {
    name: "lines",
    control,
    element: h(
      "div",
      { class: "field" },
      h("label", { for: id }, label),
      control,
      h("p", { class: "hint", id: `${id}-hint` }, hint),
      file,
      errors,
    ),
    value: () => control.value,
    focus: () => control.focus(),
    showErrors: show,
  };
}

/**
 * @template Value
 * @param {Entry<Value>[]} entries
 * @param {string} noun
 * @param {string} doing
 */
function previewOf(entries, noun, doing) {
  if (entries.length === 0) return null;
  const wrong = entries.filter((each) => each.wrong);
  const effective = entries.filter((each) => each.value !== null);
  const idle = entries.filter((each) => !each.wrong && each.value === null);
  const listed = [...wrong, ...effective, ...idle];
  return [
    h(
      "p",
      {},
      [
        `${count(effective.length, noun)} ${doing}`,
        idle.length > 0 && `, ${idle.length.toLocaleString("en")} without effect`,
        wrong.length > 0 && `, ${wrong.length.toLocaleString("en")} that can't be`,
      ],
      ".",
    ),
    h(
      "ul",
      { tabindex: "0", "aria-label": "What each will do" },
      listed.slice(0, MAX_SHOWN).map(entryItem),
      listed.length > MAX_SHOWN &&
        h("li", { class: "muted" }, `and ${count(listed.length - MAX_SHOWN, "more", "more")}`),
    ),
  ];
}

/** @param {Entry<any>} entry */
const entryItem = ({ text, says, value, wrong = false }) =>
  h(
    "li",
    { class: wrong ? "wrong" : value === null ? "off" : "" },
    h("bdi", { class: "name" }, text),
    wrong ? badge(says, "warning") : h("span", {}, says),
  );

/**
 * Read text as rows of cells: of a CSV by commas, semicolons or tabs, quoted or not; of names, one or more a line.
 *
 * @param {string} text
 */
function rowsOf(text) {
  /** @type {string[][]} */
  const rows = [[]];
  for (const [, quoted, bare, end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^,;\t\r\n]*))(,|;|\t|\r?\n|\r|$)/g)) {
    const cell = (quoted === undefined ? bare : quoted.replaceAll('""', '"')).trim();
    rows[rows.length - 1].push(cell);
    if (end !== "," && end !== ";" && end !== "\t") rows.push([]);
  }
  return rows.filter((cells) => cells.some(Boolean));
}

/**
 * Return rows by the names of their columns, if the first of them names any.
 *
 * @param {string[][]} rows
 * @param {string[]} columns
 * @returns {Record<string, string>[] | null}
 */
export function byHeader(rows, columns) {
  const head = rows[0]?.map((cell) => cell.toLowerCase().replaceAll(/[ -]/g, "_")) ?? [];
  if (!head.some((cell) => columns.includes(cell))) return null;
  return rows.slice(1).map((cells) => Object.fromEntries(head.map((name, index) => [name, cells[index] ?? ""])));
}
