// A text box that searches while one types: the pattern "combobox with list" of the ARIA practices.

import { messageOf } from "../api.js";
import { h } from "../dom.js";
import { around } from "./fields.js";
import { listbox } from "./listbox.js";

/** @import { Choice } from "./listbox.js" */

/**
 * Finds the choices for a text.
 *
 * @template {Choice} Offered
 * @typedef {(text: string, signal: AbortSignal) => Promise<Offered[]>} Search
 */

const DELAY = 200; // milliseconds without a key before it is searched
const CLICK = 150; // milliseconds after which a click on a choice has arrived
/** @type {Map<string, 1 | -1>} */
const STEPS = new Map([
  ["ArrowDown", 1],
  ["ArrowUp", -1],
]);

/**
 * Make a combobox.
 *
 * @template {Choice} Offered
 * @param {object} options
 * @param {string} options.label
 * @param {Search<Offered>} options.search
 * @param {(choice: Offered | null) => unknown} [options.pick] told the choice that was taken; null when the box was emptied
 * @param {Offered | Choice | null} [options.value]
 * @param {string} [options.placeholder]
 */
export function combobox({ label, search, pick = () => {}, value = null, placeholder = "" }) {
  const input = textBox(placeholder, value);
  const list = listbox({ label, input, take });
  const searches = latest(look);
  let taken = value;

  /** @param {AbortSignal} signal */
  async function look(signal) {
    try {
      const found = await search(input.value.trim(), signal);
      if (signal.aborted || document.activeElement !== input) return;
      list.offer(found, Boolean(input.value.trim()));
    } catch (error) {
      if (!signal.aborted) list.explain(messageOf(error));
    }
  }

  /** @param {Offered} choice */
  function take(choice) {
    taken = choice;
    input.value = choice.text;
    close();
    pick(choice);
  }

  function close() {
    searches.stop();
    list.close();
  }

  input.addEventListener("input", () => {
    taken = null;
    if (!input.value.trim()) pick(null);
    searches.later();
  });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("keydown", (event) => {
    if (answerKey(event, list, { take, close, search: searches.now })) event.preventDefault();
  });
  input.addEventListener("blur", () => setTimeout(() => document.activeElement !== input && close(), CLICK));

  return {
    input,
    element: h("div", { class: "combobox" }, input, list.element),
    /** Return the choice that was taken, or null. */
    taken: () => taken,
    /** Return the choice that was taken; or one of what was typed, as a user who knows a name need not wait for the list. */
    value: () => taken ?? typed(input),
    clear: () => {
      taken = null;
      input.value = "";
    },
  };
}

/**
 * @param {string} placeholder
 * @param {Choice | null} value
 */
function textBox(placeholder, value) {
  return h("input", {
    type: "text",
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    placeholder,
    value: value?.text ?? "",
  });
}

/**
 * @param {HTMLInputElement} input
 * @returns {Choice | null}
 */
function typed(input) {
  const text = input.value.trim();
  return text ? { value: text, text } : null;
}

/**
 * Do what a key is for; return whether it is for anything here.
 *
 * @template {Choice} Offered
 * @param {KeyboardEvent} event
 * @param {ReturnType<typeof listbox<Offered>>} list
 * @param {{take: (choice: Offered) => void, close: () => void, search: () => void}} acts
 */
function answerKey({ key }, list, { take, close, search }) {
  const step = STEPS.get(key);
  const active = list.active();
  if (step && list.isOpen()) list.move(step);
  else if (step) search();
  else if (key === "Enter" && active) take(active);
  else if (key === "Enter") {
    close(); // it would hide what the form then says of the text
    return false;
  } else if (key === "Escape" && list.isOpen())
    close(); // the list, and not the dialog it is in
  else return false;
  return true;
}

/**
 * Run a search at once or a moment after the last key; the one before it is given up.
 *
 * @param {(signal: AbortSignal) => unknown} run
 */
function latest(run) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;
  let running = new AbortController();
  const stop = () => {
    clearTimeout(waiting);
    running.abort();
  };
  const now = () => {
    stop();
    running = new AbortController();
    run(running.signal);
  };
  const later = () => {
    clearTimeout(waiting);
    waiting = setTimeout(now, DELAY);
  };
  return { stop, now, later };
}

/**
 * Make a combobox that is the field of a form.
 *
 * @template {Choice} Offered
 * @param {string} name
 * @param {string} label
 * @param {object} options
 * @param {Search<Offered>} options.search
 * @param {string} [options.hint]
 * @param {Offered | Choice | null} [options.value]
 */
export function comboField(name, label, { search, hint = "", value = null }) {
  const box = combobox({ label, search, value });
  return {
    ...around(name, label, box.input, { hint }, box.element),
    value: () => box.value()?.value ?? "",
    /** Return the choice that was taken of the list, or null. */
    choice: box.taken,
    clear: box.clear,
  };
}
