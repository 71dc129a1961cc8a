// The same access for many users and groups at once, on one pipeline or several.

import { ApiError, call, path, remove } from "../api.js";
import { openDialog } from "../components/dialog.js";
import { form } from "../components/form.js";
import { chunks, workThrough } from "../components/work.js";
import { count, h, name, sentence, together } from "../dom.js";
import { grantFields, grantPath, termsOf, USUAL } from "./grant_terms.js";

/** @import { GrantTerms, PipelineItem } from "../../answers.d.ts" */
/** @import { Dialog } from "../components/dialog.js" */
/** @import { Work } from "../components/work.js" */

/** @typedef {{kind: "user" | "group", value: string}} Grantee */
/** @typedef {{pipeline: {id: string, name: string}, to: Grantee}} One */

const LANES = 4; // requests at a time
const MAX_NAMED = 5;

/**
 * Ask what to give, and give it to all of them on each pipeline; return whether anything was given.
 *
 * @param {PipelineItem[]} pipelines
 * @param {Grantee[]} to
 */
export async function giveToMany(pipelines, to) {
  const common = pipelines.reduce(
    (some, { permissions }) => some.filter((each) => permissions.includes(each)),
    [...pipelines[0].permissions],
  );
  const may = { permissions: common, is_manager: pipelines.every((each) => each.is_manager) };
  const fields = grantFields(may, { permissions: USUAL, is_manager: false, expires_at: null });
  const named = pipelines.slice(0, MAX_NAMED).map((each) => name(each.name));
  if (pipelines.length > MAX_NAMED) named.push(name(count(pipelines.length - MAX_NAMED, "more", "more")));
  const asking = form({
    fields: fields.all,
    submit: "Give access",
    intro: h("p", {}, "To ", count(to.length, "group"), ", on ", together(named), "."),
    cancel: () => dialog.close(null),
    send: (values) => dialog.close(termsOf(values)),
  });
  /** @type {Dialog<GrantTerms>} */
  const dialog = openDialog({ title: "Give access", content: asking.element, unsaved: asking.unsaved });
  const terms = await dialog.closed;
  return terms !== null && grantAll(pipelines, to, terms);
}

/**
 * Give the same access to many, with the way back; return whether anything was given.
 *
 * @param {{id: string, name: string}[]} pipelines
 * @param {Grantee[]} to
 * @param {GrantTerms} terms
 */
export async function grantAll(pipelines, to, terms) {
  const all = pipelines.flatMap((pipeline) => to.map((each) => ({ pipeline, to: each })));
  return (await workThrough(giving(all, terms))) > 0;
}

/** @param {One} one */
const addressOf = ({ pipeline, to }) => grantPath(path`/flow/pipeline/${pipeline.id}`, to.kind, to.value);

/** @param {One} one */
const nameOf = ({ pipeline, to }) => `${to.kind} ${to.value} on ${pipeline.name}`;

/**
 * @param {One[]} all
 * @param {GrantTerms} terms
 * @returns {Work<One>}
 */
function giving(all, terms) {
  /** @type {One[]} */
  const given = [];
  return {
    title: "Giving access",
    noun: "grant",
    parts: chunks(all, 1),
    lanes: LANES,
    name: nameOf,
    run: async ([one]) => {
      try {
        await call("PUT", addressOf(one), { body: terms, ifNoneMatch: "*" });
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 412)) throw error;
        return [{ what: nameOf(one), why: "Access was given already, and is left as it is." }];
      }
      given.push(one);
      return [];
    },
    said: (done) => sentence`${[count(done, "grant")]} given. They hold from the next request on.`,
    undo: () => takingBack(given),
  };
}

/**
 * @param {One[]} all
 * @returns {Work<One>}
 */
const takingBack = (all) => ({
  title: "Taking access back",
  noun: "grant",
  parts: chunks(all, 1),
  lanes: LANES,
  name: nameOf,
  run: async ([one]) => {
    await remove(addressOf(one));
    return [];
  },
  said: (done) => `${count(done, "grant")} taken back.`,
  undo: null,
});
