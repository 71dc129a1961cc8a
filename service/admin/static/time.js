// Times as people say them, in their own time zone.

import { h } from "./dom.js";

/** @import { Instant } from "../answers.d.ts" */

const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "long" });
const SHORT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
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
 * Show "3 Dec 2026, 14:05", with the exact time and zone on hover.
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
export const ago = (instant) => timeElement(instant, distance);

/**
 * @param {Instant} instant
 * @param {(date: Date) => string} format
 */
function timeElement(instant, format) {
  const date = new Date(instant);
  return h("time", { datetime: instant, title: EXACT.format(date) }, format(date));
}

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

/** @param {Instant} instant */
export const isPast = (instant) => new Date(instant).getTime() <= Date.now();

const FIRST = "0001-01-01T00:00:00.000Z";
const LAST = "9999-12-31T23:59:59.999Z";

/**
 * Return the moment that a control for dates says, in the time zone here, or days later; "" if it says none.
 *
 * A year with more than four digits, which JavaScript reads and writes in a way of its own, is the last that has four:
 * the API says what it takes, as it does of every other.
 *
 * @param {string} said a date, or a date and a time
 * @param {number} [later] days
 * @returns {Instant | ""}
 */
export function instantOf(said, later = 0) {
  if (!said) return "";
  const date = new Date(said.includes("T") ? said : `${said}T00:00`);
  date.setDate(date.getDate() + later);
  const year = date.getUTCFullYear();
  if (year < 1) return FIRST;
  return year < 10_000 ? date.toISOString() : LAST; // not a number, too: it is no year below
}

/** @param {Instant} instant */
export const isBeyondCalendars = (instant) => instant === LAST;
