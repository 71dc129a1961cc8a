// Who was given what on one pipeline: the first tab for those who manage it; the others begin with the queue.

import { get } from "../api.js";
import { may } from "../caller.js";
import { button, iconButton } from "../components/buttons.js";
import { badge, grantee, standing } from "../components/labels.js";
import { listing, pagesOf } from "../components/listing.js";
import { empty } from "../components/states.js";
import { h } from "../dom.js";
import { ago, isPast, time } from "../time.js";
import { changeGrant, giveAccess, takeBack } from "./grant_dialogs.js";
import { pipelineView } from "./pipeline.js";
import { queueTab } from "./pipeline_queue.js";

export async function accessTab(view) {
  let manages = true;
  const shown = await pipelineView(view, "access", async (pipeline, where) => {
    manages = may(pipeline, "manage_pipelines");
    return manages && grantList(view, pipeline, where);
  });
  return manages ? shown : queueTab(view);
}

async function grantList(view, pipeline, where) {
  const changed = (did) => did && list.reload();
  const give = () =>
    button("Give access", async () => changed(await giveAccess(pipeline, where)), { kind: "primary", symbol: "plus" });
  const list = await listing({
    caption: "Who was given access",
    noun: ["grant"],
    columns: columns(pipeline, where, changed),
    fetchPage: pagesOf(get, `${where}/grants`, "grants"),
    none: () =>
      empty(
        "group",
        "Nobody was given access yet",
        "Administrators and pipeline administrators can use it all the same. Everyone else needs to be given access, best through a group.",
        give(),
      ),
    view,
  });
  return [h("div", { class: "section-head" }, h("h2", {}, "Who was given access"), give()), list.element];
}

const columns = (pipeline, where, changed) => [
  { label: "Who", class: "grow", cell: ({ group, username }) => grantee(group ? "group" : "user", group ?? username) },
  { label: "May", cell: standing },
  {
    label: "Expires",
    cell: ({ expires_at: end }) =>
      end === null
        ? h("span", { class: "muted" }, "Never")
        : isPast(end)
          ? badge("Expired", "warning")
          : h("span", {}, time(end), " (", ago(end), ")"),
  },
  {
    label: "",
    class: "row-actions",
    cell: (grant) => mayTouch(pipeline, grant) && actions(pipeline, where, grant, changed),
  },
];

/** Only managers change or unmake managers. */
const mayTouch = (pipeline, grant) => pipeline.is_manager || !grant.is_manager;

function actions(pipeline, where, grant, changed) {
  const who = grant.group ?? grant.username;
  return [
    iconButton("edit", `Change what ${who} may do`, async () => changed(await changeGrant(pipeline, where, grant))),
    iconButton(
      "trash",
      `Take back what ${who} may do`,
      async () => changed(await takeBack(pipeline, where, grant)),
      "danger",
    ),
  ];
}
