"""Print the permission table as a page, for reading: `make permissions` keeps it in docs/reference/permissions.md."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from service.http.routes import ROUTES, Route
from service.operations.permission_table import PERMISSION_TABLE
from service.operations.permission_table.verdicts import OBJECT_TYPES, Act, CallerKind, Decision, ObjectType, Verdict
from service.permissions import SCOPE_BITS
from service.scim.endpoint import ScimRoute
from service.scim.routes import SCIM_ROUTES

PAGE: Final = Path(__file__).parents[1] / "docs/reference/permissions.md"

HEADER: Final = """\
# Permissions

<!-- Written by `make permissions` from service/operations/permission_table/: a change here would be lost. -->

For each operation, role, scope and ownership: is the call allowed, and what is the answer if not? Tests make the call
of every cell, so each cell is what the service answers.

Find the table of what the call is about, the row of what is done, and the column of the caller. A cell says what
becomes of a call with a token without scopes; behind a colon are the scopes that a token with scopes needs for that.

| Cell | Answer |
|---|---|
| yes | it is done: 200 or 201 |
| names | it is answered, with nothing but names |
| left out | the list is answered, without it |
| no | 403 PERMISSION_DENIED |
| hidden | 404 NOT_FOUND, as if it were not there |
| taken | 409 ALREADY_EXISTS: that id is somebody else's |
| yes: `write` | a token without the scope `write` gets 403 PERMISSION_DENIED; a challenge names what it lacks |
| yes: `read` (hidden), `write` | one without `read` gets what stands behind it; one with `read` only, 403 |

The first scope that a token lacks decides. Scopes only take away: a token never may what its user may not. In the
tables `read`, `execute`, `write`, `delete` and `manage_pipelines` stand for `flow_pipeline:read`, and so on.

*May a pipeline administrator with a token that only reads forget a job that somebody else owns?* The job is in a
pipeline: the row *forget it*, the column *pipeline administrator*, says no, and hidden to a token without `read`. It is
in none: hidden.

An administrator's token without the scope `admin` may no more than that of a pipeline administrator with the same
scopes: that of a member who is a manager of every pipeline, as far as its scopes go. The one exception is the scope
`scim`, which is all that provisioning takes, of an administrator.

A caller whose token is unknown, expired or revoked, or whose user is disabled, gets 401 for every call. A request that
is not well-formed gets 400 before any of this.
"""


def page() -> str:
    """Return the whole page."""
    return "\n".join([HEADER, *(_section(about) for about in OBJECT_TYPES)])


def _section(about: ObjectType) -> str:
    rows = [act for act in PERMISSION_TABLE if act.about == about]
    columns = _columns(about, rows)
    titles = [", ".join(kinds) for kinds in columns]
    lines = [["May they …", *titles, "Calls"], ["---"] * (len(titles) + 2)]
    lines += [[act.title, *(_cell(act.decisions[kinds[0]]) for kinds in columns), _calls(act)] for act in rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"## {about.title}\n\n{about.explanation}\n\n{table}\n"


def _columns(about: ObjectType, rows: Iterable[Act]) -> list[list[CallerKind]]:
    """Return the kinds of callers, those together that every row decides alike."""
    alike: dict[Sequence[str], list[CallerKind]] = {}
    for kind in about.kinds:
        alike.setdefault(tuple(_cell(act.decisions[kind]) for act in rows), []).append(kind)
    return [*alike.values()]


def _cell(decision: Decision) -> str:
    scopes = [_scope(scope, verdict) for scope, verdict in decision.without.items()]
    return f"{decision.verdict}: {', '.join(scopes)}" if scopes else decision.verdict.value


def _scope(lacking: int, verdict: Verdict) -> str:
    names = " or ".join(f"`{name.removeprefix('flow_pipeline:')}`" for name, bit in SCOPE_BITS.items() if lacking & bit)
    return names if verdict is Verdict.NARROW else f"{names} ({verdict})"


def _calls(act: Act) -> str:
    routes: tuple[Route | ScimRoute, ...] = (*ROUTES, *SCIM_ROUTES)
    calls = [f"`{route.method} {route.path}`" for route in routes if route.operation in act.operations]
    return "<br>".join(call.replace("/api/v1", "") for call in calls)


if __name__ == "__main__":
    sys.stdout.write(page())
