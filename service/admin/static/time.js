// Times as people say them, in their own time zone.

import { h } from "./dom.js";

const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "long" });
const SHORT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** "3 Dec 2026, 14:05", with the exact time and zone on hover. */
export function time(instant) {
  const date = new Date(instant);
  return h("time", { datetime: instant, title: EXACT.format(date) }, SHORT.format(date));
}

/** "3 Dec 2026", with the exact time and zone on hover. */
export function day(instant) {
  const date = new Date(instant);
  return h("time", { datetime: instant, title: EXACT.format(date) }, DAY.format(date));
}

/** "3 days ago", with the exact time on hover. */
export function ago(instant) {
  const date = new Date(instant);
  return h("time", { datetime: instant, title: EXACT.format(date) }, distance(date));
}

/** How far a moment is from now: "in 7 days", "just now". */
function distance(date) {
  const seconds = (date - Date.now()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return RELATIVE.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

export const isPast = (instant) => new Date(instant) <= Date.now();
