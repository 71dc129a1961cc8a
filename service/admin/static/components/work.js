// Work on many things at once, a part at a time: how far it is, what failed and why, and the way back.

import { ApiError, messageOf } from "../api.js";
import { count, h, identifier, replace } from "../dom.js";
import { button } from "./buttons.js";
import { copyButton } from "./copy.js";
import { openDialog } from "./dialog.js";

/** @import { Child } from "../dom.js" */

/**
 * What could not be done to one thing.
 *
 * @typedef {{what: string, why: string}} Failure
 */

/**
 * Work on many things.
 *
 * @template Item
 * @typedef {object} Work
 * @property {string} title
 * @property {Item[][]} parts
 * @property {string} noun for one item
 * @property {number} [lanes] parts that are worked on at the same time
 * @property {(item: Item) => string} name
 * @property {(part: Item[]) => Promise<Failure[]>} run does a part; what it throws, all of the part have failed by
 * @property {(done: number) => Child} said what was done, once it is
 * @property {(() => Work<any> | null) | null} undo makes the work that takes back what was done; asked at the end
 */

const MAX_LISTED = 100;
const PATIENCE = 2000; // milliseconds before something is tried again that the service has put off
const PUT_OFF = new Set([429, 503]);
const STOP = {
  title: "Stop here?",
  message: "What is done stays done. What is not is left as it is.",
  stay: "Go on",
  leave: "Stop",
};

/**
 * Cut a list into parts.
 *
 * @template Item
 * @param {Item[]} items
 * @param {number} size
 */
export const chunks = (items, size) =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size));

/**
 * Do a work in a dialog, which stays until the user has read how it went; return how many were done.
 *
 * @template Item
 * @param {Work<Item>} work
 */
export async function workThrough(work) {
  const body = h("div", { class: "dialog-body work" });
  const state = { running: true, stopped: false, done: 0 };
  const dialog = openDialog({ title: work.title, content: body, unsaved: () => state.running, loses: STOP });
  dialog.closed.then(() => {
    state.stopped = true;
  });
  await perform(work, body, state, () => dialog.close(true));
  await dialog.closed;
  return state.done;
}

/**
 * @template Item
 * @param {Work<Item>} work
 * @param {HTMLElement} body
 * @param {{running: boolean, stopped: boolean, done: number}} state
 * @param {() => void} close
 */
async function perform(work, body, state, close) {
  const total = work.parts.reduce((sum, part) => sum + part.length, 0);
  const bar = progress(total, work.noun, () => {
    state.stopped = true;
  });
  replace(body, bar.element);
  bar.stop.focus();
  state.running = true;
  const failures = await runAll(work, state, bar.update);
  state.running = false;
  state.done = bar.reached() - failures.length;
  const undo = state.done > 0 ? (work.undo?.() ?? null) : null;
  const finished = button("Close", close, { kind: "primary" });
  replace(
    body,
    h("p", { role: "status", class: "work-said" }, work.said(state.done)),
    bar.reached() < total && h("p", {}, `${count(total - bar.reached(), work.noun)} not tried.`),
    failures.length > 0 && failureList(failures, work.noun),
    h("footer", {}, undo && button("Undo", () => perform(undo, body, { ...state, stopped: false }, close)), finished),
  );
  finished.focus();
}

/**
 * Run all parts, some at a time; return what failed.
 *
 * @template Item
 * @param {Work<Item>} work
 * @param {{stopped: boolean}} state
 * @param {(number: number) => void} tell told how many more were tried
 */
async function runAll({ parts, lanes = 1, run, name }, state, tell) {
  /** @type {Failure[]} */
  const failures = [];
  let next = 0;
  const lane = async () => {
    while (next < parts.length && !state.stopped) {
      const part = parts[next];
      next += 1;
      failures.push(...(await attempt(run, part, name)));
      tell(part.length);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return failures;
}

/**
 * Do a part; once more if the service has put it off.
 *
 * @template Item
 * @param {(part: Item[]) => Promise<Failure[]>} run
 * @param {Item[]} part
 * @param {(item: Item) => string} name
 * @returns {Promise<Failure[]>}
 */
async function attempt(run, part, name) {
  try {
    return await run(part);
  } catch (error) {
    if (!(error instanceof ApiError && PUT_OFF.has(error.status))) return allFailed(part, name, error);
  }
  await new Promise((resolve) => setTimeout(resolve, PATIENCE));
  try {
    return await run(part);
  } catch (error) {
    return allFailed(part, name, error);
  }
}

/**
 * @template Item
 * @param {Item[]} part
 * @param {(item: Item) => string} name
 * @param {unknown} error
 */
const allFailed = (part, name, error) => part.map((item) => ({ what: name(item), why: messageOf(error) }));

/**
 * @param {number} total
 * @param {string} noun
 * @param {() => void} onstop
 */
function progress(total, noun, onstop) {
  let reached = 0;
  const id = identifier("progress");
  const said = h("p", { id, role: "status" }, `0 of ${count(total, noun)}`);
  const meter = h("progress", { max: total, value: 0, "aria-labelledby": id });
  const stop = button("Stop", onstop);
  return {
    element: [said, meter, h("footer", {}, stop)],
    stop,
    reached: () => reached,
    update: (/** @type {number} */ number) => {
      reached += number;
      meter.value = reached;
      replace(said, `${reached.toLocaleString("en")} of ${count(total, noun)}`);
    },
  };
}

/**
 * List what failed, and let it be copied.
 *
 * @param {Failure[]} failures
 * @param {string} noun
 */
function failureList(failures, noun) {
  const text = failures.map(({ what, why }) => `${what}\t${why}`).join("\n");
  const more = failures.length - MAX_LISTED;
  return h(
    "section",
    { class: "failures", "aria-label": "Failures" },
    h(
      "div",
      { class: "failures-head" },
      h("p", { class: "field-error" }, `${count(failures.length, noun)} failed`),
      copyButton(text, "Copy what failed", { label: "Copy" }),
    ),
    h(
      "ul",
      { tabindex: "0", "aria-label": "What failed" },
      failures.slice(0, MAX_LISTED).map(({ what, why }) => h("li", {}, h("bdi", { class: "name" }, what), ": ", why)),
      more > 0 && h("li", { class: "muted" }, `and ${more.toLocaleString("en")} more, which are copied, too.`),
    ),
  );
}
