// Every token of the organization, for administrators: what never ends, what nobody uses, what is of disabled users.

import { get, path, post } from "../api.js";
import { isAdministrator, mayUseTokens } from "../caller.js";
import { button } from "../components/buttons.js";
import { confirmDialog } from "../components/confirm.js";
import { choiceField } from "../components/fields.js";
import { filters, selectFilter } from "../components/filters.js";
import { badge } from "../components/inline.js";
import { listing, pagesOf } from "../components/listing.js";
import { pageHeader } from "../components/page.js";
import { empty } from "../components/states.js";
import { h, name, sentence } from "../dom.js";
import { address } from "../router.js";
import { notForCaller } from "./not_found.js";
import { revoke, showSecret, tokenColumns } from "./tokens.js";

/** @import { Token, User } from "../../answers.d.ts" */
/** @import { List } from "../components/listing.js" */
/** @import { View } from "../router.js" */

/** @typedef {{token: Token, secret: string}} NewToken */

const UNUSED = [
  { value: "", label: "Any time" },
  { value: "30d", label: "30 days" },
  { value: "90d", label: "90 days" },
  { value: "365d", label: "A year" },
];
const SCOPES = [
  { value: "", label: "Anything" },
  { value: "none", label: "All that the user may" },
];
const ORDERS = [
  { value: "", label: "Newest first" },
  { value: "-expires_at", label: "Never expiring first" },
  { value: "expires_at", label: "First to expire first" },
  { value: "last_used_at", label: "Longest unused first" },
  { value: "username", label: "By user" },
];
const MAX_LOOK_UPS = 50; // users of one page of the list

/** @param {View} view */
export async function tokenInventoryPage(view) {
  if (!isAdministrator() || !mayUseTokens())
    return notForCaller("All tokens", "Only administrators, by a token with the scope for it, see everybody's tokens.");
  const bar = filters(
    "/tokens/all",
    view.query,
    [
      selectFilter("unused_for", "Unused for", UNUSED),
      selectFilter("scopes", "Can", SCOPES),
      selectFilter("order_by", "Order", ORDERS),
    ],
    () => list.reload({ anew: true }),
  );
  const disabled = disabledUsers(view.signal);
  const changed = (/** @type {unknown} */ did) => did && list.reload();
  /** @type {List} */
  const list = await listing({
    caption: "All tokens",
    noun: "token",
    columns: [
      ...tokenColumns.slice(0, 1),
      { label: "User", class: "person", cell: ({ username }) => disabled.show(username) },
      ...tokenColumns.slice(1),
      {
        label: "",
        class: "row-actions",
        cell: (token) => [
          button("Rotate", async () => changed(await rotate(token)), { kind: "quiet" }),
          button("Revoke", async () => changed(await revoke(token)), { kind: "quiet danger" }),
        ],
      },
    ],
    fetchPage: async (page, signal) => {
      const found = await pagesOf("/tokens", "tokens", () => ({ all: "true", ...bar.values() }))(page, signal);
      setTimeout(disabled.lookUp);
      return found;
    },
    none: () => empty("token", "No token fits", "None of the organization's tokens fits these filters."),
    view,
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

/**
 * Put a new token in the place of another; return whether that was done.
 *
 * @param {Token} token
 */
export async function rotate(token) {
  const overlap = choiceField(
    "overlap_seconds",
    "The old token",
    [
      { value: "3600", label: "Works for one more hour", description: "So that programs can change over" },
      { value: "0", label: "Ends at once", description: "If somebody else may have it" },
    ],
    { value: "3600" },
  );
  /** @type {NewToken | null} */
  let made = null;
  const done = await confirmDialog({
    title: "Rotate this token?",
    intro: sentence`A new token takes the place of ${token.name || token.id} of ${token.username}: it can the same, and ends when that would have.`,
    fields: [overlap],
    danger: false,
    submit: "Rotate token",
    run: async (values) => {
      made = await post(path`/tokens/${token.id}/rotate`, { overlap_seconds: Number(values.overlap_seconds) });
    },
  });
  if (made) await showSecret(made);
  return done;
}
