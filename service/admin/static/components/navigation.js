// The frame: where one can go, who is signed in, and the way out. What the caller may not do is not there.

import { isAdministrator, mayUseTokens } from "../caller.js";
import { h, identifier, name } from "../dom.js";
import { address } from "../router.js";
import { session } from "../session.js";
import { roleWord } from "../words.js";
import { button } from "./buttons.js";
import { icon } from "./icons.js";

const SECTIONS = [
  { section: "pipelines", word: "Pipelines", symbol: "pipeline" },
  { section: "jobs", word: "Jobs", symbol: "job" },
  { section: "users", word: "Users", symbol: "user", offered: isAdministrator },
  { section: "groups", word: "Groups", symbol: "group", offered: isAdministrator },
  { section: "tokens", word: "Tokens", symbol: "token", offered: mayUseTokens },
  { section: "audit", word: "Audit", symbol: "audit", offered: isAdministrator },
];

export function navigation(signOut) {
  const offered = SECTIONS.filter((each) => each.offered?.() ?? true);
  const links = offered.map(({ section, word, symbol }) =>
    h("a", { href: address(`/${section}`) }, icon(symbol), word),
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
      onclick: () => open(toggle.getAttribute("aria-expanded") !== "true"),
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
    h(
      "div",
      { class: "who" },
      h("p", {}, h("span", { class: "visually-hidden" }, "Signed in as "), name(session.me.username)),
      h("p", { class: "muted" }, roleWord(session.me.role), session.me.scopes && ", by a narrowed token"),
      button("Sign out", signOut, { kind: "quiet", symbol: "signout" }),
    ),
  );
  const element = h(
    "header",
    { class: "bar" },
    h("a", { class: "brand", href: address("/pipelines") }, icon("pipeline"), "Flow Pipelines"),
    toggle,
    panel,
  );

  function open(whether) {
    toggle.setAttribute("aria-expanded", String(whether));
    element.classList.toggle("open", whether);
  }

  element.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !element.classList.contains("open")) return;
    open(false);
    toggle.focus();
  });

  const show = (section) => {
    open(false);
    offered.forEach((each, index) => {
      if (each.section === section) links[index].setAttribute("aria-current", "page");
      else links[index].removeAttribute("aria-current");
    });
  };
  return { element, show };
}
