// The start page of administrators: what needs attention, each with a way to it.

import { get, path } from "../api.js";
import { isAdministrator } from "../caller.js";
import { pipelineLink } from "../components/inline.js";
import { pageHeader } from "../components/page.js";
import { queueChart } from "../components/queue_chart.js";
import { empty } from "../components/states.js";
import { count, h, name } from "../dom.js";
import { address } from "../router.js";
import { ago } from "../time.js";
import { notForCaller } from "./not_found.js";
import { pipelinesPage } from "./pipelines.js";

/** @import { Finding, Overview } from "../../answers.d.ts" */
/** @import { Child } from "../dom.js" */
/** @import { View } from "../router.js" */

/**
 * A thing to look at: what it is, which were found, and where more of them are.
 *
 * @typedef {object} Card
 * @property {string} title
 * @property {string} why
 * @property {Finding} found
 * @property {Child[]} items
 * @property {Child} [all]
 */

/**
 * Show the start page: the overview for administrators, and for others, and for addresses that have filters, the
 * pipelines.
 *
 * @param {View} view
 */
export const startPage = (view) =>
  isAdministrator() && Object.keys(view.query).length === 0 ? overviewPage(view) : pipelinesPage(view);

/** @param {View} view */
export async function overviewPage(view) {
  if (!isAdministrator()) return notForCaller("Overview", "Only administrators see what needs attention.");
  /** @type {{overview: Overview}} */
  const { overview } = await get("/overview", {}, view.signal);
  const [needing, fine] = parted(cards(overview));
  return {
    title: "Overview",
    content: [
      pageHeader("Overview", { lead: h("p", {}, "What needs attention in your organization, as of now.") }),
      needing.length > 0
        ? h("div", { class: "findings" }, needing.map(card))
        : empty("check", "Nothing needs attention", "Pipelines, grants, tokens and jobs are as they should be."),
      needing.length > 0 && fine.length > 0 && h("p", { class: "muted fine" }, "Nothing to do: ", fine.join(", "), "."),
      queueChart(overview.queues),
    ],
  };
}

/** @param {Finding} found */
const number = ({ total_size: exact, total_size_at_least: least }) => exact ?? least ?? 0;

/**
 * @param {Card[]} all
 * @returns {[Card[], string[]]} those with something to do, and the titles of the others
 */
const parted = (all) => [
  all.filter(({ found }) => number(found) > 0),
  all.filter(({ found }) => number(found) === 0).map(({ title }) => title.toLowerCase()),
];

/** @param {Card} card */
function card({ title, why, found, items, all }) {
  const total = number(found);
  const more = total - items.length;
  const least = found.total_size === undefined;
  return h(
    "section",
    { class: "card finding", "aria-label": title },
    h("h2", {}, title, ": ", h("span", { class: "number" }, total.toLocaleString("en"), least && "+")),
    h("p", { class: "muted" }, why),
    h(
      "ul",
      { class: "items" },
      items.map((item) => h("li", {}, h("span", {}, item))),
    ),
    (more > 0 || all) &&
      h("p", { class: "more" }, more > 0 && `and ${least ? "at least " : ""}${count(more, "more", "more")}`, all),
  );
}

/** @param {string} text */
const user = (text) => h("a", { href: address(path`/users/${text}`) }, name(text));

/** @param {string} text */
const group = (text) => h("a", { href: address(path`/groups/${text}`) }, name(text));

/**
 * @param {Overview} overview
 * @returns {Card[]}
 */
function cards(overview) {
  const { unexecuted_pipelines: pipelines, ending_grants: grants, unused_tokens: tokens } = overview;
  const { jobs_in_no_pipeline: jobs, self_granted_managers: managers } = overview;
  return [
    {
      title: "Pipelines nobody can execute",
      why: "Nobody but administrators can put jobs in or take them out.",
      found: pipelines,
      items: pipelines.pipelines.map(pipelineLink),
    },
    {
      title: "Grants that end this week",
      why: "Who needs them longer needs a new end.",
      found: grants,
      items: grants.grants.map(({ pipeline, username, group: of, expires_at: end }) => [
        username ? user(username) : group(of ?? ""),
        " on ",
        pipelineLink(pipeline),
        ", ",
        ago(end),
      ]),
    },
    {
      title: "Tokens unused for 90 days",
      why: "Revoke what nothing needs any more.",
      found: tokens,
      items: tokens.tokens.map(({ name: named, username, last_used_at: used }) => [
        named ? name(named) : "A token",
        " of ",
        user(username),
        ", ",
        used ? ["used ", ago(used)] : "never used",
      ]),
      all: h("a", { href: address("/tokens/all", { unused_for: "90d" }) }, "See them all"),
    },
    {
      title: "Jobs in no pipeline",
      why: "No reviewer gets to see them.",
      found: jobs,
      items: jobs.jobs.map(({ id, owner, created_at: at }) => [
        h("a", { href: address(path`/jobs/${id}`), class: "identifier" }, name(id)),
        " of ",
        user(owner),
        ", ",
        ago(at),
      ]),
    },
    {
      title: "Self-granted managers",
      why: "They granted it themselves, and keep it when their role ends.",
      found: managers,
      items: managers.managers.map(({ username, pipeline }) => [user(username), " on ", pipelineLink(pipeline)]),
    },
  ];
}
