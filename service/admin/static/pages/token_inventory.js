// Every token of the organization, for administrators: what never ends, what nobody uses, what is of disabled users.

import { get, path } from "../api.js";
import { isAdministrator, mayUseTokens } from "../caller.js";
import { checkFilter, filters, selectFilter } from "../components/filters.js";
import { badge } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { ordering } from "../components/ordering.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { h, name } from "../dom.js";
import { address } from "../router.js";
import { notForCaller } from "./not_found.js";
import { TOKEN_ORDERS, tokenActions, tokenColumns } from "./tokens.js";

/** @import { User } from "../../answers.d.ts" */
/** @import { List } from "../components/listing.js" */
/** @import { View } from "../router.js" */

const UNUSED = [
  { value: "", label: "Any time" },
  { value: "30d", label: "30 days" },
  { value: "90d", label: "90 days" },
  { value: "365d", label: "A year" },
];
const SCOPES = [
  { value: "", label: "Any" },
  { value: "none", label: "All" },
];
const EXPIRES = [
  { value: "", label: "Any time" },
  { value: "never", label: "Never" },
];
const MAX_LOOK_UPS = 50; // users of one page of the list

/** @param {View} view */
export async function tokenInventoryPage(view) {
  if (!isAdministrator() || !mayUseTokens())
    return notForCaller("All tokens", "Only administrators, by a token with the scope for it, see everybody's tokens.");
  const order = ordering("-created_at", [...TOKEN_ORDERS, ["username", "User, A to Z", "User, Z to A"]]);
  const bar = filters(
    "/tokens/all",
    view.query,
    [
      selectFilter("unused_for", "Unused for", UNUSED),
      selectFilter("expires", "Expires", EXPIRES),
      selectFilter("scopes", "Scopes", SCOPES),
      checkFilter("of_disabled", "Of disabled users"),
      order.filter,
    ],
    () => list.reload({ anew: true }),
  );
  const disabled = disabledUsers(view.signal);
  const changed = (/** @type {unknown} */ did) => did && list.reload();
  const fetchTokens = pagesOf("/tokens", "tokens", () => ({ all: "true", ...bar.values() }), { counted: true });
  /** @type {List} */
  const list = await listing({
    caption: "All tokens",
    noun: "token",
    columns: [
      ...tokenColumns.slice(0, 1),
      { label: "User", class: "person", order: "username", cell: ({ username }) => disabled.show(username) },
      ...tokenColumns.slice(1),
      tokenActions(changed),
    ],
    fetchPage: async (page, signal) => {
      const found = await fetchTokens(page, signal);
      setTimeout(disabled.lookUp);
      return found;
    },
    none: () => empty("token", "No token fits", "None of the organization's tokens fits these filters."),
    view,
    order,
  });
  return {
    title: "All tokens",
    content: [
      pageHeader("All tokens", {
        back: h("a", { href: address("/tokens") }, "Tokens"),
        lead: h("p", {}, "Every token of the organization that has not been revoked."),
      }),
      bar.element,
      list.element,
    ],
  };
}

/**
 * Find out which users are disabled, of those that are shown.
 *
 * @param {AbortSignal} signal
 */
function disabledUsers(signal) {
  /** @type {Map<string, Promise<boolean>>} */
  const known = new Map();
  /** @type {[string, HTMLElement][]} */
  let waiting = [];
  const ask = (/** @type {string} */ username) =>
    get(path`/users/${username}`, {}, signal).then(
      (/** @type {{user: User}} */ { user }) => user.disabled,
      () => false,
    );
  return {
    /** @param {string} username */
    show: (username) => {
      const place = h("span", {}, h("a", { href: address(path`/users/${username}`) }, name(username)));
      waiting.push([username, place]);
      return place;
    },
    lookUp: async () => {
      const shown = waiting;
      waiting = [];
      const unknown = [...new Set(shown.map(([username]) => username))].filter((username) => !known.has(username));
      for (const username of unknown.slice(0, MAX_LOOK_UPS)) known.set(username, ask(username));
      for (const [username, place] of shown) {
        if (await known.get(username)) place.append(" ", badge("Disabled", "warning"));
      }
    },
  };
}
