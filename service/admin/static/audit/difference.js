// Before and after of one change, side by side, one row a field.

import { identifierText } from "../components/inline.js";
import { h, name, replace } from "../dom.js";
import { permissionLabel, permissionLabels, roleLabel } from "../labels.js";
import { time, utc } from "../time.js";
import { differs } from "./states.js";

/** @import { AuditEntry } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { PipelineNames } from "./names.js" */

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$/;
const MAX_LISTED = 25;

/** @type {Record<string, string>} */
const FIELDS = {
  expires_at: "ends",
  is_manager: "manager",
  pipeline_ids: "pipelines",
  job_ids: "jobs",
  jobs_to: "jobs go to",
  parent: "made with the token",
  replaced_by: "replaced by the token",
  to_id: "id of whom it is to",
};

/**
 * Make the part of an entry that opens; what is in it is made when it does.
 *
 * @param {AuditEntry} entry
 * @param {PipelineNames} names
 */
export function difference(entry, names) {
  const content = h("div", { class: "difference" });
  /** @type {HTMLDetailsElement} */
  const element = h(
    "details",
    {
      ontoggle: () => {
        if (!element.open || content.hasChildNodes()) return;
        replace(content, comparison(entry, names), origin(entry));
        names.lookUp();
      },
    },
    h("summary", {}, "Before and after"),
    content,
  );
  return element;
}

/**
 * What differs comes first.
 *
 * @param {AuditEntry} entry
 * @param {PipelineNames} names
 */
function comparison({ before, after }, names) {
  const fields = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  const sorted = [
    ...fields.filter((field) => differs(before, after, field)),
    ...fields.filter((field) => !differs(before, after, field)),
  ];
  const head = ["Field", "Before", "After"].map((label) => h("th", { scope: "col" }, label));
  return h(
    "table",
    { class: "compare" },
    h("thead", {}, h("tr", {}, head)),
    h(
      "tbody",
      {},
      sorted.map((field) => compared(field, before?.[field], after?.[field], names)),
    ),
  );
}

/** @param {AuditEntry} entry */
const origin = ({ at, token_id: tokenId, request_id: requestId }) =>
  h(
    "p",
    { class: "muted" },
    utc(at),
    ". ",
    tokenId && ["By token ", identifierText(tokenId), ". "],
    requestId && ["Request ", identifierText(requestId), "."],
  );

/**
 * What differs is marked, also for people who don't see colours.
 *
 * @param {string} field
 * @param {unknown} was
 * @param {unknown} is
 * @param {PipelineNames} names
 */
function compared(field, was, is, names) {
  const changed = JSON.stringify(was) !== JSON.stringify(is);
  const lists = Array.isArray(was) && Array.isArray(is);
  const show = (/** @type {unknown} */ given, /** @type {unknown} */ other, /** @type {"ins" | "del"} */ mark) =>
    Array.isArray(given)
      ? list(given, lists && Array.isArray(other) ? other : null, mark, field, names)
      : value(field, given, names);
  return h(
    "tr",
    { class: changed ? "changed" : "" },
    h("th", { scope: "row" }, FIELDS[field] ?? field.replaceAll("_", " ")),
    h("td", {}, show(was, is, "del")),
    h("td", {}, changed && is !== undefined && !lists ? h("ins", {}, show(is, was, "ins")) : show(is, was, "ins")),
  );
}

/**
 * Show a list, in which those items are marked that the other one lacks; these come first.
 *
 * @param {unknown[]} items
 * @param {unknown[] | null} other
 * @param {"ins" | "del"} mark
 * @param {string} field
 * @param {PipelineNames} names
 */
function list(items, other, mark, field, names) {
  if (items.length === 0) return none("none");
  const others = new Set(other?.map((each) => JSON.stringify(each)));
  const lacks = (/** @type {unknown} */ item) => other !== null && !others.has(JSON.stringify(item));
  const sorted = [...items.filter(lacks), ...items.filter((item) => !lacks(item))];
  const more = sorted.length - MAX_LISTED;
  return h(
    "ul",
    {},
    sorted.slice(0, MAX_LISTED).map((item) => {
      const shown = value(field, item, names);
      return h("li", {}, lacks(item) ? h(mark, {}, shown) : shown);
    }),
    more > 0 && h("li", { class: "muted" }, `and ${more.toLocaleString("en")} more`),
  );
}

/** @param {string} word */
const none = (word) => h("span", { class: "muted" }, word);

/** @type {Record<string, (given: string, names: PipelineNames) => Child>} */
const SHOWN = {
  pipeline_ids: (given, names) => names.show(given),
  permissions: (given) => permissionLabel(given),
  scopes: (given) => permissionLabel(given),
  role: (given) => roleLabel(given),
};

/**
 * @param {string} field
 * @param {unknown} given
 * @param {PipelineNames} names
 * @returns {Child}
 */
function value(field, given, names) {
  if (given === undefined) return none("none");
  if (given === null) return none(NOTHING[field] ?? "none");
  if (typeof given === "boolean") return given ? "yes" : "no";
  if (typeof given === "string") return text(field, given, names);
  return grantLine(given) ?? h("pre", {}, JSON.stringify(given, null, 2));
}

/** @type {Record<string, string>} what null means */
const NOTHING = { expires_at: "never", scopes: "all that the user may" };

/**
 * @param {string} field
 * @param {string} given
 * @param {PipelineNames} names
 */
function text(field, given, names) {
  if (given === "") return none("empty");
  return SHOWN[field]?.(given, names) ?? (INSTANT.test(given) ? time(given) : name(given));
}

/**
 * Show a grant that went along with what it was on or to; null for anything else.
 *
 * @param {unknown} given
 */
function grantLine(given) {
  if (typeof given !== "object" || given === null || !("permissions" in given)) return null;
  const { to, pipeline, permissions, is_manager: manages } = /** @type {Record<string, any>} */ (given);
  const which = typeof to === "string" ? to.replace(/^(user|group):/, "") : pipeline?.name;
  if (typeof which !== "string" || !Array.isArray(permissions)) return null;
  return [name(which), ": ", manages === true ? "manager" : permissionLabels(permissions)];
}
