// The frame: where one can go, who is signed in, and the way out. What the caller may not do is not there.

import { isAdministrator, mayUseTokens } from "../caller.js";
import { h, identifier } from "../dom.js";
import { roleLabel } from "../labels.js";
import { address } from "../router.js";
import { caller } from "../session.js";
import { button } from "./buttons.js";
import { icon } from "./icons.js";
import { personLink } from "./inline.js";
import { showKeys } from "./keys.js";

/** @import { IconName } from "./icons.js" */

/** @type {{section: string, label: string, symbol: IconName, offered?: () => boolean}[]} */
const SECTIONS = [
  { section: "overview", label: "Overview", symbol: "overview", offered: isAdministrator },
  { section: "pipelines", label: "Pipelines", symbol: "pipeline" },
  { section: "jobs", label: "Jobs", symbol: "job" },
  { section: "users", label: "Users", symbol: "user", offered: isAdministrator },
  { section: "groups", label: "Groups", symbol: "group", offered: isAdministrator },
  { section: "tokens", label: "Tokens", symbol: "token", offered: mayUseTokens },
  { section: "audit", label: "Audit", symbol: "audit", offered: isAdministrator },
];

/**
 * Make the frame.
 *
 * @param {() => unknown} signOut
 */
export function navigation(signOut) {
  const offered = SECTIONS.filter((each) => each.offered?.() ?? true);
  const links = offered.map(({ section, label, symbol }) =>
    h("a", { href: address(`/${section}`) }, icon(symbol), label),
  );
  const id = identifier("menu");
  const toggle = h(
    "button",
    {
      type: "button",
      class: "icon-button menu",
      "aria-expanded": "false",
      "aria-controls": id,
      "aria-label": "Menu",
      onclick: () => {
        open(toggle.getAttribute("aria-expanded") !== "true");
      },
    },
    icon("menu"),
  );
  const panel = h(
    "div",
    { class: "panel", id },
    h(
      "nav",
      { "aria-label": "Sections" },
      h(
        "ul",
        {},
        links.map((link) => h("li", {}, link)),
      ),
    ),
    signedIn(signOut),
  );
  const element = h(
    "header",
    { class: "bar" },
    h("a", { class: "brand", href: address("/") }, icon("pipeline"), "Flow Pipelines"),
    toggle,
    panel,
  );

  /** @param {boolean} whether */
  function open(whether) {
    toggle.setAttribute("aria-expanded", String(whether));
    element.classList.toggle("open", whether);
  }

  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !element.classList.contains("open")) return;
    open(false);
    toggle.focus();
  });

  /** @param {string} section */
  const show = (section) => {
    open(false);
    const shown = section === "start" ? offered[0].section : section; // what is offered first is the start page
    for (const [index, each] of offered.entries()) {
      if (each.section === shown) links[index].setAttribute("aria-current", "page");
      else links[index].removeAttribute("aria-current");
    }
  };
  return { element, show };
}

/**
 * Show who is signed in, with the way out.
 *
 * @param {() => unknown} signOut
 */
function signedIn(signOut) {
  const { username, role, scopes } = caller();
  return h(
    "div",
    { class: "who" },
    h("p", {}, h("span", { class: "visually-hidden" }, "Signed in as "), personLink(username)),
    h("p", { class: "muted" }, roleLabel(role), scopes && ", by a narrowed token"),
    h(
      "div",
      { class: "who-actions" },
      button("Sign out", signOut, { kind: "quiet", symbol: "signout" }),
      button("Keys", showKeys, { kind: "quiet" }),
    ),
  );
}
