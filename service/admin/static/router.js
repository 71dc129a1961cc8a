// Views have addresses: which view an address shows, and what going to another does to focus, title and scroll.

import { askToDiscard, closeDialogs, dialogsUnsaved } from "./components/dialog.js";
import { failure } from "./components/states.js";
import { h, replace } from "./dom.js";

const BASE = "/admin";
const NAME = "Flow Pipelines";

/** What each entry of the history remembers of its view: how far a list was shown, and how far it was scrolled. */
const memories = new Map();

let routes = [];
let outlet;
let shown = { abort: new AbortController() };
let announce = () => {};
let index = history.state?.index ?? 0;
let returning = false;

/** The address of a view, with those filters that are set. */
export function address(path, query = {}) {
  const set = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(set).toString();
  return `${BASE}${path}${search ? `?${search}` : ""}`;
}

/**
 * Begin to show views.
 *
 * @param table rows of {pattern, section, view}; view(context) resolves to {title, content}
 * @param into the element to show them in
 * @param onshow told the row of each view that is shown
 */
export function startRouter(table, into, onshow) {
  history.scrollRestoration = "manual";
  routes = table.map((row) => ({ ...row, pattern: compile(row.pattern) }));
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

/** Show another view. */
export async function go(to, { instead = false } = {}) {
  if (!(await mayLeave())) return;
  remember();
  if (!instead) index += 1;
  history[instead ? "replaceState" : "pushState"]({ index }, "", to);
  memories.delete(index);
  await show({});
}

/** Show the present view anew, as after somebody else has signed in. */
export const refresh = () => show({ refreshed: true });

/** Write the filters of the present view into its address, without showing it anew. */
export function setFilters(path, query) {
  history.replaceState({ index }, "", address(path, query));
}

/** Whether going anywhere would lose something. */
export const unsaved = () => Boolean(shown.unsaved?.()) || dialogsUnsaved();

/** Whether it may be lost, if there is anything. */
export const mayLeave = async () => !unsaved() || (await askToDiscard());

async function show({ first = false, back = false, refreshed = false }) {
  shown.abort.abort();
  closeDialogs();
  const abort = new AbortController();
  const view = { abort, memory: memories.get(index) ?? {} };
  shown = view;
  const { row, params } = match(location.pathname.slice(BASE.length) || "/");
  announce(row);
  outlet.setAttribute("aria-busy", "true");
  const context = {
    params,
    query: Object.fromEntries(new URLSearchParams(location.search)),
    signal: abort.signal,
    memory: view.memory,
    /** Let this be asked before the view is left: is there anything that would be lost? */
    guard: (unsavedHere) => Object.assign(view, { unsaved: unsavedHere }),
  };
  const { title, content } = await drawn(row, context);
  if (abort.signal.aborted) return;
  memories.set(index, view.memory);
  const active = document.activeElement?.closest?.(".tabs a")?.getAttribute("href");
  replace(outlet, content);
  outlet.removeAttribute("aria-busy");
  // Isolated: a name in a title is whoever's; it must not turn what stands behind it.
  document.title = `\u2068${title}\u2069 · ${NAME}`;
  scrollTo(0, back || refreshed ? (view.memory.scroll ?? 0) : 0);
  if (!first) focusView(active);
}

/** What a view shows; or why it can't. */
async function drawn(row, context) {
  try {
    return await row.view(context);
  } catch (error) {
    const heading = h("h1", { tabindex: "-1" }, "This page can't be shown");
    return { title: "Failed", content: [heading, failure(error, refresh)] };
  }
}

/** Focus goes to the tab that was followed if it is there again, else to the heading, which says where one is. */
function focusView(active) {
  const tab = active && outlet.querySelector(`.tabs a[href="${CSS.escape(active)}"]`);
  const heading = outlet.querySelector("h1");
  if (tab) tab.focus({ preventScroll: true });
  else heading?.focus({ preventScroll: true });
}

function compile(pattern) {
  const source = pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)");
  return new RegExp(`^${source}/?$`);
}

function match(path) {
  for (const row of routes) {
    const found = row.pattern.exec(path);
    if (found) return { row, params: decode(found.groups ?? {}) };
  }
  return { row: routes.at(-1), params: {} };
}

function decode(groups) {
  return Object.fromEntries(Object.entries(groups).map(([key, value]) => [key, decoded(value)]));
}

function decoded(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value; // a stray % is part of the name then
  }
}

function remember() {
  memories.set(index, { ...memories.get(index), scroll: scrollY });
}

/** The browser has gone back or forward already: if that would lose something, stay until the person has decided. */
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

function followLink(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.hasAttribute("download"))
    return;
  if (link.origin !== location.origin || !link.pathname.startsWith(`${BASE}/`)) return;
  event.preventDefault();
  go(link.pathname + link.search);
}
