// Names of pipelines, of which the audit trail has only ids: found out by some look-ups, and remembered for a while.

import { ApiError, get, path } from "../api.js";
import { breakable, h, name as named, replace } from "../dom.js";
import { address } from "../router.js";
import { session } from "../session.js";

/** @import { AuditEntry, Page, Pipeline } from "../../answers.d.ts" */

/**
 * What is known of a pipeline.
 *
 * @typedef {{name: string, deleted: boolean, until: number}} Known
 */

/** @typedef {ReturnType<typeof pipelineNames>} PipelineNames */
/** @typedef {typeof showKnown} ShowPipeline */

const MAX_LOOK_UPS = 40; // for one page of the trail
const MAX_AT_ONCE = 6;
const MAX_KNOWN = 2000;
const FRESH = 300_000; // milliseconds, as somebody may rename it

/** @type {Map<string, Known>} */
const known = new Map();
/** @type {string | null} the token by which it is known: nothing is left to the next user */
let knownBy = null;

/**
 * @param {string} id
 * @returns {Known | null}
 */
function recall(id) {
  if (knownBy !== session.token) known.clear();
  knownBy = session.token;
  const found = known.get(id);
  return found && found.until > Date.now() ? found : null;
}

/**
 * @param {string} id
 * @param {string} text
 * @param {boolean} [deleted]
 */
function remember(id, text, deleted = false) {
  recall(id);
  known.delete(id);
  known.set(id, { name: text, deleted, until: Date.now() + FRESH });
  for (const oldest of known.keys()) {
    if (known.size <= MAX_KNOWN) break;
    known.delete(oldest);
  }
}

/**
 * Make the names of one view.
 *
 * @param {AbortSignal} signal aborted when the view is left
 */
export function pipelineNames(signal) {
  /** @type {Map<string, HTMLElement[]>} what shows an id until its name is known */
  const waiting = new Map();

  /**
   * Show a pipeline: by its name if that is known, else by its id until it is looked up.
   *
   * @param {string} id
   * @param {string} [said] its name in the entry itself, which is the one that it had then
   */
  function show(id, said) {
    const place = showKnown(id, said);
    if (!said && !recall(id)) waiting.set(id, [...(waiting.get(id) ?? []), place]);
    return place;
  }

  /** Look up those that are shown by their ids, as far as one page may. */
  async function lookUp() {
    const ids = [...waiting.keys()].slice(0, MAX_LOOK_UPS);
    const places = new Map(ids.map((id) => [id, waiting.get(id) ?? []]));
    for (const id of ids) waiting.delete(id);
    const one = async () => {
      for (let id = ids.shift(); id !== undefined && !signal.aborted; id = ids.shift()) {
        await name(id, places.get(id) ?? []);
      }
    };
    await Promise.all(Array.from({ length: MAX_AT_ONCE }, one));
  }

  /**
   * @param {string} id
   * @param {HTMLElement[]} places
   */
  async function name(id, places) {
    const found = recall(id) ?? (await ask(id, signal).catch(() => null)); // the id stays, which is as good
    if (!found) return;
    for (const place of places) replace(place, link(id, found));
  }

  return {
    show,
    lookUp,
    /** Forget what waits, as the rows that show it are gone. */
    forget: () => waiting.clear(),
    /** @param {AuditEntry[]} entries the last of a pipeline says which name it had */
    learn: (entries) => {
      for (const { action, target, before } of entries) {
        if (action === "pipeline.delete" && typeof before?.name === "string")
          remember(target.replace("pipeline:", ""), before.name, true);
      }
    },
  };
}

/**
 * Show a pipeline by what is known without asking.
 *
 * @param {string} id
 * @param {string} [said]
 */
export function showKnown(id, said) {
  const found = recall(id);
  if (said) return h("span", {}, link(id, { name: said, deleted: found?.deleted ?? false }));
  return h("span", {}, found ? link(id, found) : unnamed(id));
}

/**
 * Ask the service for a pipeline's name; for one that is gone, the trail has its last.
 *
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<Known | null>}
 */
async function ask(id, signal) {
  try {
    /** @type {{pipeline: Pipeline}} */
    const { pipeline } = await get(path`/flow/pipeline/${id}`, {}, signal);
    remember(id, pipeline.name);
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    const query = { target: `pipeline:${id}`, action: "pipeline.delete", order_by: "at", page_size: 1 };
    /** @type {Page & {audit: AuditEntry[]}} */
    const { audit } = await get("/audit", query, signal);
    const last = audit[0]?.before?.name;
    if (typeof last === "string") remember(id, last, true);
  }
  return recall(id);
}

/**
 * @param {string} id
 * @param {{name: string, deleted: boolean}} pipeline
 */
const link = (id, { name: text, deleted }) =>
  deleted
    ? [named(text), h("span", { class: "muted" }, " (deleted)")]
    : h("a", { href: address(path`/pipelines/${id}`) }, named(text));

/** @param {string} id */
const unnamed = (id) => h("a", { href: address(path`/pipelines/${id}`), class: "identifier" }, breakable(id));
