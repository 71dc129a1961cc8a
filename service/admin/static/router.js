// Views have addresses: which view an address shows, and what going to another does to focus, title and scroll.

import { BASE } from "./base.js";
import { askToDiscard, closeDialogs, dialogsUnsaved } from "./components/dialog.js";
import { failure } from "./components/states.js";
import { closest, h, replace } from "./dom.js";

/** @import { Seen } from "./components/rows.js" */
/** @import { Child } from "./dom.js" */

/**
 * What an entry of the history remembers of its view: how far a list was shown, what of it was in sight, how far it was
 * scrolled, and what was selected.
 *
 * @typedef {{items?: number, seen?: Seen | null, scroll?: number, selected?: Map<string, any>}} Memory
 */

/**
 * What a view is given.
 *
 * @typedef {object} View
 * @property {Record<string, string>} params from the path
 * @property {Record<string, string>} query
 * @property {AbortSignal} signal aborted when the view is left
 * @property {Memory} memory
 * @property {Promise<void>} [filled] resolves once all rows are there, of a list so long that the view is shown before
 * @property {(unsaved: () => boolean) => void} guard lets this be asked before the view is left: would anything be lost?
 */

/**
 * A view by its address.
 *
 * @typedef {object} Route
 * @property {string} pattern
 * @property {string} section
 * @property {(view: View) => Promise<{title: string, content: Child}>} view
 */

/** @typedef {Omit<Route, "pattern"> & {pattern: RegExp}} CompiledRoute */

/**
 * The view that is shown.
 *
 * @typedef {object} Shown
 * @property {AbortController} abort
 * @property {Memory} memory
 * @property {(() => boolean) | null} unsaved
 */

const NAME = "Flow Pipelines";

/** @type {Map<number, Memory>} by the entries of the history */
const memories = new Map();

/** @type {CompiledRoute[]} */
let routes = [];
/** @type {HTMLElement} */
let outlet;
/** @type {Shown} */
let shown = { abort: new AbortController(), memory: {}, unsaved: null };
/** @type {(route: CompiledRoute) => void} */
let announce = () => {};
/** @type {number} */
let index = history.state?.index ?? 0;
let returning = false;

/**
 * Return the address of a view, with those filters that are set.
 *
 * @param {string} path
 * @param {Record<string, string>} [query]
 */
export function address(path, query = {}) {
  const set = Object.entries(query).filter(([, value]) => value !== "");
  const search = new URLSearchParams(set).toString();
  return `${BASE}${path}${search ? `?${search}` : ""}`;
}

/**
 * Begin to show views.
 *
 * @param {Route[]} table
 * @param {HTMLElement} into
 * @param {(route: CompiledRoute) => void} onshow told of each view that is shown
 */
export function startRouter(table, into, onshow) {
  history.scrollRestoration = "manual";
  routes = table.map((route) => ({ ...route, pattern: compile(route.pattern) }));
  outlet = into;
  announce = onshow;
  document.addEventListener("click", followLink);
  addEventListener("popstate", goBack);
  addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });
  history.replaceState({ index }, "");
  return show({ first: true });
}

/**
 * Show another view.
 *
 * @param {string} to
 * @param {{instead?: boolean}} [options] whether it takes the place of the present view in the history
 */
export async function go(to, { instead = false } = {}) {
  if (!(await mayLeave())) return;
  remember();
  if (!instead) index += 1;
  history[instead ? "replaceState" : "pushState"]({ index }, "", to);
  memories.delete(index);
  await show({});
}

/** Show the present view anew, as after another user has signed in. */
export const refresh = () => show({ refreshed: true });

/**
 * Write the filters of the present view into its address, without showing it anew.
 *
 * @param {string} path
 * @param {Record<string, string>} query
 */
export function setFilters(path, query) {
  history.replaceState({ index }, "", address(path, query));
}

/**
 * Return whether an element is of the view that is shown, and not of one that was left.
 *
 * @param {Element} element
 */
export const isShown = (element) => outlet.contains(element) && !outlet.hasAttribute("aria-busy");

/** Return whether going anywhere would lose something. */
export const unsaved = () => Boolean(shown.unsaved?.()) || dialogsUnsaved();

/** Ask whether it may be lost, if there is anything. */
export const mayLeave = async () => !unsaved() || (await askToDiscard());

async function show({ first = false, back = false, refreshed = false }) {
  shown.abort.abort();
  closeDialogs();
  const abort = new AbortController();
  /** @type {Shown} */
  const view = { abort, memory: memories.get(index) ?? {}, unsaved: null };
  shown = view;
  const { route, params } = match(location.pathname.slice(BASE.length) || "/");
  announce(route);
  outlet.setAttribute("aria-busy", "true");
  /** @type {View} */
  const drawn = {
    params,
    query: Object.fromEntries(new URLSearchParams(location.search)),
    signal: abort.signal,
    memory: view.memory,
    guard: (unsavedHere) => {
      view.unsaved = unsavedHere;
    },
  };
  const { title, content } = await draw(route, drawn);
  if (abort.signal.aborted) return;
  memories.set(index, view.memory);
  const active = document.activeElement?.closest(".tabs a")?.getAttribute("href");
  replace(outlet, content);
  outlet.removeAttribute("aria-busy");
  // Isolated: any user may have given a name in a title; it must not turn what stands behind it.
  document.title = `\u2068${title}\u2069 · ${NAME}`;
  const place = back || refreshed ? (view.memory.scroll ?? 0) : 0;
  scrollTo(0, place);
  if (!first) focusView(active);
  if (drawn.filled && place > 0) scrollOnceFilled(drawn.filled, place, abort.signal);
}

/**
 * Scroll on to a place that is not there yet, unless the user has scrolled meanwhile.
 *
 * @param {Promise<void>} filled
 * @param {number} place
 * @param {AbortSignal} signal
 */
async function scrollOnceFilled(filled, place, signal) {
  const reached = scrollY;
  await filled;
  if (!signal.aborted && Math.abs(scrollY - reached) < 1) scrollTo(0, place);
}

/**
 * Return what a view shows; or why it can't.
 *
 * @param {CompiledRoute} route
 * @param {View} view
 */
async function draw(route, view) {
  try {
    return await route.view(view);
  } catch (error) {
    const heading = h("h1", { tabindex: "-1" }, "This page can't be shown");
    return { title: "Failed", content: [heading, failure(error, refresh)] };
  }
}

/**
 * Focus the tab that was followed if it is there again, else the heading, which tells where one is.
 *
 * @param {string | null | undefined} active
 */
function focusView(active) {
  /** @type {HTMLElement | null} */
  const tab = active ? outlet.querySelector(`.tabs a[href="${CSS.escape(active)}"]`) : null;
  const heading = outlet.querySelector("h1");
  (tab ?? heading)?.focus({ preventScroll: true });
}

/** @param {string} pattern */
function compile(pattern) {
  const source = pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)");
  return new RegExp(`^${source}/?$`);
}

/**
 * Find the route of a path. The last route fits every path.
 *
 * @param {string} path
 */
function match(path) {
  for (const route of routes) {
    const found = route.pattern.exec(path);
    if (found) return { route, params: decode(found.groups ?? {}) };
  }
  return { route: routes[routes.length - 1], params: {} };
}

/** @param {Record<string, string>} groups */
function decode(groups) {
  return Object.fromEntries(Object.entries(groups).map(([key, value]) => [key, decoded(value)]));
}

/** @param {string} value */
function decoded(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // a stray % is part of the name then
  }
}

function remember() {
  const memory = memories.get(index) ?? {}; // the view's own, into which its parts write until it is left
  memory.scroll = scrollY;
  memories.set(index, memory);
}

/**
 * Follow the browser, which has gone back or forward already: if that would lose something, stay until the user has
 * decided.
 *
 * @param {PopStateEvent} event
 */
async function goBack(event) {
  const to = event.state?.index ?? 0;
  if (returning) {
    returning = false;
    return;
  }
  if (unsaved()) {
    const steps = to - index;
    returning = true;
    history.go(-steps);
    if (!(await askToDiscard())) return;
    shown.unsaved = null;
    closeDialogs();
    history.go(steps);
    return;
  }
  remember();
  index = to;
  await show({ back: true });
}

/** @param {MouseEvent} event */
function followLink(event) {
  /** @type {HTMLAnchorElement | null} */
  const link = closest(event, "a[href]");
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.hasAttribute("download"))
    return;
  if (link.origin !== location.origin || !link.pathname.startsWith(`${BASE}/`)) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
