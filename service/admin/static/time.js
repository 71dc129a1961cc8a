// Times as people say them, in their own time zone.

import { h } from "./dom.js";

/** @import { Instant } from "../answers.d.ts" */

const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "long" });
const SHORT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const MINUTE = 60_000; // milliseconds
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/**
 * Show "3 Dec 2026, 14:05", with the exact time, here and in UTC, on hover.
 *
 * @param {Instant} instant
 */
export const time = (instant) => timeElement(instant, (date) => SHORT.format(date));

/**
 * Show "3 Dec 2026", with the exact time and zone on hover.
 *
 * @param {Instant} instant
 */
export const day = (instant) => timeElement(instant, (date) => DAY.format(date));

/**
 * Show "3 days ago", with the exact time on hover.
 *
 * @param {Instant} instant
 */
export function ago(instant) {
  const element = timeElement(instant, distance);
  element.classList.add("ago");
  return element;
}

/** Say anew how far moments are: rows stay that have not changed, and would go on saying "just now". */
function sayAnew() {
  for (const each of document.querySelectorAll("time.ago[datetime]")) {
    const said = distance(new Date(each.getAttribute("datetime") ?? ""));
    if (each.textContent !== said) each.textContent = said;
  }
}
setInterval(sayAnew, MINUTE);

/**
 * @param {Instant} instant
 * @param {(date: Date) => string} format
 */
function timeElement(instant, format) {
  if (!isInstant(instant)) return h("time", {}, instant);
  const date = new Date(instant);
  return h("time", { datetime: instant, title: `${EXACT.format(date)}, ${utc(instant)}` }, format(date));
}

/**
 * Write a moment in UTC: "2026-12-03 13:05:09 UTC".
 *
 * @param {Instant} instant
 */
export const utc = (instant) =>
  isInstant(instant) ? `${new Date(instant).toISOString().slice(0, 19).replace("T", " ")} UTC` : instant;

/**
 * Say how far a moment is from now: "in 7 days", "just now".
 *
 * @param {Date} date
 */
function distance(date) {
  const seconds = (date.getTime() - Date.now()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

/**
 * Return whether a text is a time that can be shown, and not only looks like one.
 *
 * @param {string} text
 */
export const isInstant = (text) => !Number.isNaN(new Date(text).getTime());

/**
 * Show when something ends, or that it never does.
 *
 * @param {Instant | null} end
 */
export function ends(end) {
  if (end === null) return h("span", { class: "muted" }, "Never");
  return isPast(end) ? h("span", { class: "badge warning" }, "Expired") : h("span", {}, time(end), " (", ago(end), ")");
}

/** @param {Instant} instant */
export const isPast = (instant) => new Date(instant).getTime() <= Date.now();

/**
 * Return the moment that a control for dates says, in the time zone here, or days later; "" if it says none.
 *
 * What can't be read, such as a year of five digits, is returned as it is: the API says what is wrong with it.
 *
 * @param {string} said a date, or a date and a time
 * @param {number} [later] days
 * @returns {Instant | ""}
 */
export function instantOf(said, later = 0) {
  if (!said) return "";
  const date = new Date(said.includes("T") ? said : `${said}T00:00`);
  if (Number.isNaN(date.getTime())) return said;
  date.setDate(date.getDate() + later);
  return date.toISOString();
}
