// Open views follow the feed of changes: what is shown is read anew when it changes, and nothing else is disturbed.

import { ApiError, getQuietly, isAbort } from "./api.js";
import { isAdministrator } from "./caller.js";
import { unsaved } from "./router.js";

/** @import { Change, ChangesFound } from "../answers.d.ts" */
/** @import { View } from "./router.js" */

const WAIT = 20; // seconds that the service is asked to wait for something
const PAUSE = 5_000; // milliseconds after a failure
const SETTLE = 300; // milliseconds in which more of the same may come

/**
 * Call this whenever something happens that concerns a view, for as long as that is shown. It waits while the tab is
 * hidden, a dialog is open, something is not saved yet, or the focus is within what would be replaced.
 *
 * @param {View} view
 * @param {(change: Change) => boolean} concerns
 * @param {() => unknown} update
 * @param {() => Element | null} [replaced] what would be
 */
export function follow({ signal }, concerns, update, replaced = () => null) {
  let due = false;
  const whenever = async () => {
    if (!due || signal.aborted || !convenient(replaced())) return;
    due = false;
    await update();
  };
  for (const event of ["visibilitychange", "focusin", "focusout", "close"])
    document.addEventListener(event, () => setTimeout(whenever), { signal, capture: true });
  listen(signal, async (changes) => {
    if (changes !== null && !changes.some(concerns)) return;
    due = true;
    await pause(SETTLE, signal);
    await whenever();
  });
}

/** @typedef {(changes: Change[] | null) => Promise<void>} Listener is given null where some may have been missed */

/** @type {WeakMap<AbortSignal, Listener[]>} one reader for all parts of a view */
const listeners = new WeakMap();

/**
 * @param {AbortSignal} signal
 * @param {Listener} listener
 */
function listen(signal, listener) {
  const known = listeners.get(signal);
  if (known) {
    known.push(listener);
    return;
  }
  const all = [listener];
  listeners.set(signal, all);
  read(signal, (changes) => all.map((each) => each(changes)));
}

/** @param {Element | null} replaced */
const convenient = (replaced) =>
  !document.hidden &&
  !unsaved() &&
  !document.querySelector("dialog[open]") &&
  !replaced?.contains(document.activeElement);

/**
 * Read the feed until the view is left, or the caller may not.
 *
 * @param {AbortSignal} signal
 * @param {(changes: Change[] | null) => unknown} told
 */
async function read(signal, told) {
  /** @type {string | null} */
  let after = null;
  while (!signal.aborted) {
    try {
      /** @type {ChangesFound} */
      const found = await getQuietly("/changes", query(after), signal);
      after = found.next_cursor;
      told(found.changes);
    } catch (error) {
      if (!mayGoOn(error)) return;
      if (hasEnded(error)) {
        after = null;
        told(null);
      }
      await pause(PAUSE, signal);
    }
  }
}

/** @param {string | null} after */
const query = (after) => ({ after, wait: after === null ? null : WAIT, all: isAdministrator() ? "true" : null });

/**
 * Return whether the same may be asked again after a failure.
 *
 * @param {unknown} error
 */
const mayGoOn = (error) => !isAbort(error) && (!(error instanceof ApiError) || error.status >= 410);

/**
 * Return whether a failure says that the place can't be gone on from.
 *
 * @param {unknown} error
 */
const hasEnded = (error) => error instanceof ApiError && error.status === 410;

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 */
const pause = (milliseconds, signal) =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", resolve, { once: true });
  });

/**
 * Return whether a change is of the jobs in a pipeline, or may be: of an import's, the trail has only the number.
 *
 * @param {string} pipeline
 * @returns {(change: Change) => boolean}
 */
export const ofQueue =
  (pipeline) =>
  ({ type, data }) =>
    (type === "job.pipelines_changed" && (data.added.includes(pipeline) || data.removed.includes(pipeline))) ||
    type === "job.deleted" ||
    type === "import";

/**
 * Return whether a change is of the list of pipelines, or of what the caller may do on them.
 *
 * @param {Change} change
 */
export const ofPipelines = ({ type }) =>
  type.startsWith("pipeline.") || type === "import.pipelines" || ofAccess({ type });

/**
 * Return whether a change is of who may do what.
 *
 * @param {Pick<Change, "type">} change
 */
export const ofAccess = ({ type }) =>
  /^(access|grant|group|user)\.|^import\.(users|memberships|user_grants|group_grants)$/.test(type);

/**
 * Return whether a change is of a pipeline itself, or of what the caller may do on it.
 *
 * @param {string} pipeline
 * @returns {(change: Change) => boolean}
 */
export const ofPipeline =
  (pipeline) =>
  ({ type, target, data }) =>
    target === `pipeline:${pipeline}` ||
    type === "import.pipelines" ||
    (type === "access.changed" && [undefined, pipeline].includes(data.pipeline_id));

/** Return the control that has the focus, which a view that is drawn anew would take away. */
export const control = () => document.activeElement?.closest("main :is(input, select, textarea, button)") ?? null;
