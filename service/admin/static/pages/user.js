// What the views of one user share: the head, and the tabs.

import { get, path } from "../api.js";
import { isAdministrator, isCaller, maySeeUser } from "../caller.js";
import { button } from "../components/buttons.js";
import { badge, groupLink } from "../components/inline.js";
import { facts, pageHeader } from "../components/page.js";
import { failure } from "../components/states.js";
import { tabs } from "../components/tabs.js";
import { h, name, sentence, together } from "../dom.js";
import { roleLabel } from "../labels.js";
import { address, go, refresh } from "../router.js";
import { caller } from "../session.js";
import { day } from "../time.js";
import { notForCaller } from "./not_found.js";
import { changePerson, changeRole, enable } from "./user_dialogs.js";
import { deleteUser, handOver } from "./user_leaving.js";

/** @import { User } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { View } from "../router.js" */

/** @typedef {"reach" | "groups" | "tokens" | "jobs" | "changes"} Tab */

/**
 * Show one tab.
 *
 * @param {View} view
 * @param {Tab} tab
 * @param {(user: User, where: string) => Promise<Child>} draw makes the content of the tab; where is the API's path of
 *   the user
 */
export async function userView(view, tab, draw) {
  const { name: username } = view.params;
  if (!maySeeUser(username)) return notForCaller("User", "Only administrators see what others can reach.");
  /** @type {User} */
  let user;
  try {
    // What one may see of oneself is at another place for those who are no administrators.
    ({ user } = await get(isAdministrator() ? path`/users/${username}` : "/users/me", {}, view.signal));
  } catch (error) {
    return { title: "User", content: [pageHeader("User", { back: back() }), failure(error, refresh)] };
  }
  const content = await draw(user, path`/users/${user.username}`);
  return { title: user.username, content: [head(user), tabsOf(user, tab), content] };
}

const back = () =>
  isAdministrator()
    ? h("a", { href: address("/users") }, "Users")
    : h("a", { href: address("/pipelines") }, "Pipelines");

/** @param {User} user */
function head(user) {
  const known = [user.display_name, user.email].filter((each) => each !== null);
  return [
    pageHeader(name(user.username), {
      back: back(),
      beside: [
        isCaller(user.username) && badge("You"),
        user.disabled && badge("Disabled", "warning"),
        user.provisioned && badge("Provisioned"),
      ],
      lead:
        known.length > 0 &&
        h(
          "p",
          {},
          known.flatMap((each, index) => [index > 0 && " · ", name(each)]),
        ),
      actions: isAdministrator() && actions(user),
    }),
    facts(
      ["Role", roleLabel(user.role)],
      ["State", user.disabled ? "Disabled" : "Active"],
      ["Since", day(user.created_at)],
      user.provisioned === true && ["Changed by", "Provisioning (SCIM) alone"],
      ...(isCaller(user.username) ? provided() : []),
    ),
  ];
}

/**
 * Say what the identity provider adds for the caller: it is stored nowhere, so nobody else sees it.
 *
 * @returns {([label: string, ...value: Child[]] | false)[]}
 */
function provided() {
  const by = caller().identity_provider;
  if (by === undefined) return [];
  const groups = by.groups.map((each) => sentence`${each.mapped_from}, mapped to ${groupLink(each.name)}`);
  return [
    ["Signed in by", name(by.issuer)],
    groups.length > 0 && ["Its groups", together(groups)],
    by.role !== null && ["Its role", sentence`${by.role_mapped_from ?? ""}, mapped to ${[roleLabel(by.role)]}`],
  ];
}

/** @param {User} user */
function actions(user) {
  const then = (/** @type {boolean} */ done) => done && refresh();
  if (user.provisioned) return [button("Change role", async () => then((await changeRole(user)) === true))];
  return [
    button("Edit", async () => then(await changePerson(user)), { symbol: "edit" }),
    button("Change role", async () => then((await changeRole(user)) === true)),
    user.disabled
      ? button("Enable", async () => then(await enable(user)))
      : !isCaller(user.username) &&
        button("Disable and hand over", async () => then(await handOver(user)), { kind: "quiet danger" }),
    !isCaller(user.username) &&
      button("Delete", async () => (await deleteUser(user)) && go(address("/users")), {
        kind: "quiet danger",
        symbol: "trash",
      }),
  ];
}

/**
 * @param {User} user
 * @param {Tab} current
 */
function tabsOf(user, current) {
  const base = path`/users/${user.username}`;
  return tabs("Of this user", current, [
    { tab: "reach", to: base, label: "Can reach" },
    { tab: "groups", to: `${base}/groups`, label: "Groups" },
    { tab: "tokens", to: `${base}/tokens`, label: "Tokens" },
    { tab: "jobs", to: `${base}/jobs`, label: "Jobs" },
    ...(isAdministrator() ? [{ tab: "changes", to: `${base}/changes`, label: "Recent changes" }] : []),
  ]);
}
