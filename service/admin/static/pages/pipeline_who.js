// Who can what on one pipeline, whatever it comes from; and why, of one user, in words.

import { ApiError, get, path } from "../api.js";
import { may } from "../caller.js";
import { searchUsers } from "../components/choices.js";
import { combobox } from "../components/combobox.js";
import { filters, selectFilter } from "../components/filters.js";
import { icon } from "../components/icons.js";
import { grantee, standing } from "../components/labels.js";
import { listing, pagesOf } from "../components/listing.js";
import { empty } from "../components/states.js";
import { h, identifier, name, sentence } from "../dom.js";
import { address, go } from "../router.js";
import { session } from "../session.js";
import { time } from "../time.js";
import { PERMISSIONS, permissionWord, roleWord } from "../words.js";
import { pipelineView } from "./pipeline.js";

export const whoTab = (view) =>
  pipelineView(view, "who", async (pipeline, where) => {
    if (!may(pipeline, "manage_pipelines"))
      return [
        h("div", { class: "section-head" }, h("h2", {}, "What I can, and why")),
        await why(where, session.me.username),
      ];
    const { username } = view.query;
    const answer = username && (await why(where, username));
    return [question(pipeline, username), answer, await everyone(view, pipeline, where)];
  });

const whoPath = (pipeline) => path`/pipelines/${pipeline.id}/who`;

function question(pipeline, username) {
  const box = combobox({
    label: "User",
    search: searchUsers,
    placeholder: "Username",
    value: username ? { value: username, text: username } : null,
    pick: (choice) => choice && go(address(whoPath(pipeline), { username: choice.value })),
  });
  box.input.id = identifier("user");
  const ask = (event) => {
    event.preventDefault();
    const choice = box.value();
    if (choice) go(address(whoPath(pipeline), { username: choice.value }));
  };
  return h(
    "div",
    { class: "section-head" },
    h("h2", {}, "Why can …?"),
    h(
      "form",
      { class: "ask", onsubmit: ask },
      h("label", { for: box.input.id }, "User"),
      box.element,
      h("button", { class: "button" }, "Explain"),
    ),
  );
}

async function why(where, username) {
  let access;
  try {
    ({ access } = await get(where + path`/access/${username}`));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return h("div", { class: "notice error", role: "alert" }, icon("warning"), h("p", {}, error.message));
  }
  return h(
    "ul",
    { class: "why", "aria-label": "The answer" },
    inOrder(access.explanations).map((each) => explanation(access.username, each)),
  );
}

/** As everywhere on this page: from reading to managing. */
const inOrder = (explanations) =>
  PERMISSIONS.map(({ value }) => explanations.find(({ permission }) => permission === value));

function explanation(username, { permission, held, reasons, missing }) {
  const { says } = PERMISSIONS.find(({ value }) => value === permission);
  return h(
    "li",
    { class: held ? "held" : "lacking" },
    icon(held ? "check" : "close"),
    h(
      "div",
      {},
      h(
        "p",
        { class: "why-title" },
        name(username),
        held ? " can " : " can't ",
        h("strong", {}, permissionWord(permission)),
        h("span", { class: "muted" }, `: ${says.toLowerCase()}`),
      ),
      held
        ? h(
            "ul",
            {},
            reasons.map((reason) => h("li", {}, because(reason))),
          )
        : h("p", { class: "muted" }, missing),
    ),
  );
}

function because({ through, name: by, as_manager: asManager, expires_at: end }) {
  const given = asManager ? "made a manager" : "granted it";
  const words = {
    user: `because they were ${given} themselves`,
    group: [...sentence`because they are in the group ${by}`, `, which was ${given}`],
    role: `because they are ${roleWord(by).toLowerCase()}, who manages every pipeline`,
  }[through];
  return [words, end && [", until ", time(end)], "."];
}

async function everyone(view, pipeline, where) {
  const bar = filters(
    whoPath(pipeline),
    view.query,
    [
      keptUsername,
      selectFilter(
        "permission",
        "Who can",
        PERMISSIONS.map((each) => ({ ...each, value: each.value === PERMISSIONS[0].value ? "" : each.value })),
      ),
    ],
    () => list.reload({ anew: true }),
  );
  const list = await listing({
    caption: "Everyone who can",
    noun: ["user"],
    columns: [
      { label: "User", class: "grow", cell: ({ username }) => grantee("user", username) },
      { label: "Can", cell: standing },
      {
        label: "",
        class: "row-actions",
        cell: ({ username }) =>
          h(
            "a",
            { href: address(whoPath(pipeline), { ...bar.values(), username }), "aria-label": `Why can ${username}?` },
            "Why?",
          ),
      },
    ],
    fetchPage: pagesOf(get, `${where}/access`, "users", () => ({ permission: bar.values().permission })),
    none: () => empty("user", "Nobody can", "Neither a grant nor a role gives this to anyone."),
    view,
  });
  return [h("div", { class: "section-head" }, h("h2", {}, "Everyone who can"), bar.element), list.element];
}

/** The question above stays in the address while the list is filtered. */
const keptUsername = (query) => ({ name: "username", value: () => query.username ?? "", element: null });
