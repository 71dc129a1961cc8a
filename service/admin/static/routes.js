// The addresses of the views.

import { auditPage } from "./pages/audit.js";
import { groupGrantsTab } from "./pages/group_grants.js";
import { membersTab } from "./pages/group_members.js";
import { groupsPage } from "./pages/groups.js";
import { jobPage } from "./pages/job.js";
import { jobsPage } from "./pages/jobs.js";
import { notFoundPage } from "./pages/not_found.js";
import { overviewPage, startPage } from "./pages/overview.js";
import { accessTab } from "./pages/pipeline_access.js";
import { queueTab } from "./pages/pipeline_queue.js";
import { whoTab } from "./pages/pipeline_who.js";
import { pipelinesPage } from "./pages/pipelines.js";
import { tokenInventoryPage } from "./pages/token_inventory.js";
import { tokensPage } from "./pages/tokens.js";
import { changesTab, groupsTab, jobsTab, reachTab, tokensTab } from "./pages/user_tabs.js";
import { usersPage } from "./pages/users.js";

/** @import { Route } from "./router.js" */

/** @type {Route[]} */
export const routes = [
  { pattern: "", section: "start", view: startPage },
  { pattern: "/overview", section: "overview", view: overviewPage },
  { pattern: "/pipelines", section: "pipelines", view: pipelinesPage },
  { pattern: "/pipelines/:id", section: "pipelines", view: accessTab },
  { pattern: "/pipelines/:id/queue", section: "pipelines", view: queueTab },
  { pattern: "/pipelines/:id/who", section: "pipelines", view: whoTab },
  { pattern: "/jobs", section: "jobs", view: jobsPage },
  { pattern: "/jobs/:id", section: "jobs", view: jobPage },
  { pattern: "/users", section: "users", view: usersPage },
  { pattern: "/users/:name", section: "users", view: reachTab },
  { pattern: "/users/:name/groups", section: "users", view: groupsTab },
  { pattern: "/users/:name/tokens", section: "users", view: tokensTab },
  { pattern: "/users/:name/jobs", section: "users", view: jobsTab },
  { pattern: "/users/:name/changes", section: "users", view: changesTab },
  { pattern: "/groups", section: "groups", view: groupsPage },
  { pattern: "/groups/:name", section: "groups", view: membersTab },
  { pattern: "/groups/:name/grants", section: "groups", view: groupGrantsTab },
  { pattern: "/tokens", section: "tokens", view: tokensPage },
  { pattern: "/tokens/all", section: "tokens", view: tokenInventoryPage },
  { pattern: "/audit", section: "audit", view: auditPage },
  { pattern: ".*", section: "", view: notFoundPage },
];
