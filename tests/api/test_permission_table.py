"""The permission table, held against what the service answers: a call for every cell."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.http.clients import Logged
from service.http.request_log import RequestLog
from service.http.routes import ROUTES, Route
from service.operations import grants, groups, job_pipelines, jobs, pipelines, users
from service.operations.permission_table import PERMISSION_TABLE
from service.operations.permission_table.verdicts import (
    JOB,
    OBJECT_TYPES,
    PIPELINE,
    TOKEN,
    USER,
    Act,
    CallerKind,
    Decision,
    ObjectType,
    Verdict,
)
from service.permissions import EXECUTE, READ, SCOPE_ADMIN, SCOPE_BITS, SCOPE_SCIM, SCOPE_TOKENS
from service.scim.endpoint import ScimRoute
from service.scim.routes import SCIM_ROUTES
from service.settings import Settings
from service.telemetry.request_record import RequestRecord
from tests.api.calls import TRIES, Answer, As, settled
from tests.api.permission_calls import ASKED
from tests.api.permission_stage import EVERY_SCOPE, Asked, Cell, Stage, cells
from tests.api.sample import sample_path
from tests.conftest import Client
from tests.factories import World
from tests.permissions import PAGE, page

AT_ONCE: Final = 16
"""Calls under way at once, so that they share statements as they would."""

OF_SCIM: Final[dict[Callable[..., Any], ScimRoute]] = {
    route.operation: route for route in reversed(SCIM_ROUTES) if route.method != "PUT"
}
CALLS: Final[tuple[Route | ScimRoute, ...]] = (*ROUTES, *OF_SCIM.values())
"""Every call; of those of SCIM one for each operation."""

ROWS: Final = sorted(
    ((act, route) for act in PERMISSION_TABLE for route in CALLS if route.operation in act.operations),
    key=lambda row: not row[1].only_reads,
)
"""Each row with each of its calls; first those that change nothing."""


def of_rows(rows: Sequence[tuple[Act, Route | ScimRoute]]) -> pytest.MarkDecorator:
    """Return a test's mark to be run with each of some rows."""
    names = [f"{route.operation.__name__}: {act.about.title}: {act.title}" for act, route in rows]
    return pytest.mark.parametrize(("act", "route"), rows, ids=names)


every_row = of_rows(ROWS)


@pytest.fixture(scope="module")
async def stage(dsn: str) -> AsyncIterator[Stage]:
    """Fill two organizations for all rows."""
    raw = await asyncpg.connect(dsn)
    yield await Stage(await World.create(raw), await World.create(raw)).build(OBJECT_TYPES)
    await raw.close()


class NoLog(RequestLog):
    """A log that keeps nothing: printing thousands of lines takes as long as the calls."""

    def write(self, request: Logged, record: RequestRecord, seconds: float) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
async def service(settings: Settings, database: Database) -> AsyncIterator[Client]:
    """Open a client of the service as it is, without the checks of answers, which take longer than the calls."""
    switched_on = replace(settings, scim=True)
    app = create_app(switched_on, database, Health(database, settings.ready_timeout), request_log=NoLog)
    async with TestClient[web.Request, web.Application](TestServer(app)) as opened:
        yield opened


async def prepare(stage: Stage, cell: Cell) -> tuple[Cell, Asked, str]:
    asked = await ASKED[cell.act.about.title][cell.act.title](stage, cell)
    return cell, asked, asked.token or await stage.token(cell)


async def mistakes(
    service: Client,
    stage: Stage,
    act: Act,
    route: Route | ScimRoute,
    chosen: Callable[[Act, Route | ScimRoute], Iterable[Cell]] = cells,
) -> list[str]:
    """Call every chosen cell of a row, and tell those that are answered otherwise than the table says.

    What is to be refused comes first, and must leave nothing in the audit trail. Then changes, one after the other but
    for those of jobs, as others may change what a caller of the next one holds.
    """
    found = []

    async def call(cell: Cell, asked: Asked, token: str) -> None:
        path = sample_path(route.path, **asked.values)
        answer = await settled(lambda: As(service, token)(route.method, path, asked.body, None, **asked.query))
        seen, lacking = verdict_of(route, asked, answer)
        verdict, scope = told(cell)
        if seen != verdict or not (lacking is None or {scope} <= lacking <= lacked_by(cell)):
            found.append(
                f"{cell}: {cell.verdict.value} in the table, answered {answer.status} {str(answer.body)[:200]}"
            )

    prepared = [await prepare(stage, cell) for cell in chosen(act, route)]
    before = await stage.entries()
    await at_once(AT_ONCE, [call(*parts) for parts in prepared if not parts[0].changes])
    if await stage.entries() != before:
        found.append("What is refused has left a row in the audit trail.")
    of_jobs = route.operation.__module__ in (jobs.__name__, job_pipelines.__name__)
    await at_once(AT_ONCE if of_jobs else 1, [call(*parts) for parts in prepared if parts[0].changes])
    return found


async def at_once(number: int, calls: list[Coroutine[Any, Any, None]]) -> None:
    """Make calls, so many at a time."""
    limit = asyncio.Semaphore(number)

    async def limited(call: Coroutine[Any, Any, None]) -> None:
        async with limit:
            await call

    await asyncio.gather(*map(limited, calls))


def told(cell: Cell) -> tuple[Verdict, str | None]:
    """Return what the table says: the verdict, and the first scope that a refusal names."""
    verdict, scope = cell.decision.on(cell.scopes)
    return verdict, SCOPE_NAMES[scope] if scope is not None and verdict is Verdict.NARROW else None


def lacked_by(cell: Cell) -> set[str]:
    """Return the scopes for want of which a cell's token is refused, so that a refusal may name them."""
    assert cell.scopes is not None
    return {
        name
        for name, bit in SCOPE_BITS.items()
        if not cell.scopes & bit and cell.decision.without.get(bit) is Verdict.NARROW
    }


SCOPE_NAMES: Final = {bit: name for name, bit in SCOPE_BITS.items()}
NAMED: Final = (users.list_users, users.get_user, groups.list_groups, groups.get_group)
VERDICTS_IN_BATCHES: Final = {
    "OK": Verdict.ALLOWED,
    "NOT_FOUND": Verdict.HIDDEN,
    "PERMISSION_DENIED": Verdict.DENIED,
}
LISTING: Final[dict[Callable[..., Any], str]] = {
    pipelines.list_pipelines: "pipelines",
    job_pipelines.list_job_pipelines: "pipelines",
    jobs.list_jobs: "jobs",
}


def verdict_of(route: Route | ScimRoute, asked: Asked, answer: Answer) -> tuple[Verdict | str, set[str] | None]:
    """Return which verdict an answer is, and the scopes that it names."""
    challenge = answer.headers.get("WWW-Authenticate", "")
    if (answer.status, answer.code) == (403, "PERMISSION_DENIED"):
        if challenge.startswith('Bearer error="insufficient_scope", scope="'):
            return Verdict.NARROW, set(challenge.split('"')[3].split())
        return Verdict.DENIED, None
    if answer.code != "OK":
        refusals = {(404, "NOT_FOUND"): Verdict.HIDDEN, (409, "ALREADY_EXISTS"): Verdict.TAKEN}
        return refusals.get((answer.status, answer.code), answer.code), None
    if route.operation in NAMED:
        return (Verdict.NAMES if shows_names_only(answer) else Verdict.ALLOWED), None
    if "results" in answer.body:
        (result,) = answer.body["results"]
        return VERDICTS_IN_BATCHES[result.get("code", "OK")], None
    if route.operation is grants.list_group_grants:
        listed = asked.listed in [grant["pipeline"]["id"] for grant in answer.body["grants"]]
        return (Verdict.ALLOWED if listed else Verdict.LEFT_OUT), None
    key = LISTING.get(route.operation)
    if key and "job_id" not in asked.query:
        listed = asked.listed in [item["id"] for item in answer.body[key]]
        return (Verdict.ALLOWED if listed else Verdict.LEFT_OUT), None
    return Verdict.ALLOWED, None


def shows_names_only(answer: Answer) -> bool:
    (shown,) = (value for key, value in answer.body.items() if key not in ("status", "next_page_token"))
    items = shown if isinstance(shown, list) else [shown]
    assert items
    return all(len(item) == 1 for item in items)


def one_of_each_outcome(act: Act, route: Route | ScimRoute) -> list[Cell]:
    """Return the first cell of each verdict, and of each scope that a refusal names, in each situation of a row."""
    found: dict[Any, Cell] = {}
    for cell in cells(act, route):
        found.setdefault((cell.situation, told(cell)), cell)
    return [*found.values()]


@every_row
async def test_cells_are_answered_as_the_table_says(
    service: Client, stage: Stage, act: Act, route: Route | ScimRoute
) -> None:
    assert await mistakes(service, stage, act, route, one_of_each_outcome) == []


@pytest.mark.slow
@every_row
async def test_every_cell_is_answered_as_the_table_says(
    service: Client, stage: Stage, act: Act, route: Route | ScimRoute
) -> None:
    assert await mistakes(service, stage, act, route) == []


def refused_cells(route: Route, *, every: bool) -> list[Cell]:
    """Return the cells of a call that are refused: the first of each verdict, or every one."""
    refused = [
        cell for act, of in ROWS if of is route for cell in cells(act, route) if cell.verdict in REFUSED_BY_ITSELF
    ]
    return refused if every else [*{cell.verdict: cell for cell in reversed(refused)}.values()]


REFUSED_BY_ITSELF: Final = (Verdict.DENIED, Verdict.NARROW, Verdict.HIDDEN)


async def told_too_early(
    service: Client, stage: Stage, *, headers: dict[str, str], query: dict[str, str], every: bool
) -> list[str]:
    """Call cells that are refused with something else that is wrong; tell those that are answered otherwise then."""
    found = []

    async def call(cell: Cell, asked: Asked, token: str) -> None:
        path = sample_path(cell.route.path, **asked.values)
        given = {**asked.query, **query}
        answer = await settled(lambda: As(service, token)(cell.route.method, path, asked.body, headers, **given))
        seen, wanted = verdict_of(cell.route, asked, answer)[0], "INVALID_ARGUMENT" if query else cell.verdict
        if seen != wanted:
            found.append(f"{cell.route.operation.__name__}: {cell}: {answer.status} {str(answer.body)[:200]}")

    routes = [route for route in ROUTES if "page_token" in route.places or (headers and not route.only_reads)]
    chosen = [cell for route in routes for cell in refused_cells(route, every=every)]
    prepared = [await prepare(stage, cell) for cell in chosen]
    await at_once(AT_ONCE, [call(*parts) for parts in prepared if not has_verdicts(parts[1])])
    return found


def has_verdicts(asked: Asked) -> bool:
    """Return whether a refusal would be a verdict, in an answer to a call that is not refused."""
    return asked.body is not None and "updates" in asked.body and not asked.body.get("atomic")


async def test_refusals_come_before_conditions(service: Client, stage: Stage) -> None:
    headers = {"If-Match": '"another"'}

    assert await told_too_early(service, stage, headers=headers, query={}, every=False) == []


async def test_refusals_come_behind_page_tokens_that_are_wrong(service: Client, stage: Stage) -> None:
    assert await told_too_early(service, stage, headers={}, query={"page_token": "another"}, every=False) == []


@pytest.mark.slow
async def test_every_refusal_comes_in_the_order_of_the_checks(service: Client, stage: Stage) -> None:
    headers, query = {"If-Match": '"another"'}, {"page_token": "another"}

    assert await told_too_early(service, stage, headers=headers, query={}, every=True) == []
    assert await told_too_early(service, stage, headers={}, query=query, every=True) == []


@pytest.mark.parametrize(
    ("about", "title", "kind", "decision"),
    [
        (PIPELINE, "read it", CallerKind.NO_GRANT, Decision(Verdict.ALLOWED)),
        (PIPELINE, "delete it", CallerKind.WRITER, Decision(Verdict.HIDDEN, {READ: Verdict.HIDDEN})),
        (PIPELINE, "find it in the list of pipelines", CallerKind.ADMIN, Decision(Verdict.ALLOWED)),
        (JOB, "forget it", CallerKind.PIPELINE_ADMIN, Decision(Verdict.ALLOWED, {READ: Verdict.HIDDEN})),
        (JOB, "forget it", CallerKind.ADMIN, Decision(Verdict.DENIED, {READ: Verdict.HIDDEN})),
        (JOB, "rename it", CallerKind.ADMIN, Decision(Verdict.ALLOWED, {EXECUTE: Verdict.NARROW, READ: Verdict.TAKEN})),
        (USER, "read them", CallerKind.ADMIN, Decision(Verdict.ALLOWED)),
        (USER, "change their role, disable or enable them", CallerKind.MEMBER, Decision(Verdict.HIDDEN)),
        (TOKEN, "see it", CallerKind.MEMBER, Decision(Verdict.DENIED, {SCOPE_TOKENS: Verdict.NARROW})),
    ],
    ids=lambda value: getattr(value, "title", str(value)),
)
async def test_cell_with_another_decision_is_caught(
    service: Client, stage: Stage, about: ObjectType, title: str, kind: CallerKind, decision: Decision
) -> None:
    """The control."""
    act, route = next(row for row in ROWS if row[0].about == about and row[0].title == title)

    assert await mistakes(service, stage, replace(act, decisions={**act.decisions, kind: decision}), route)


@pytest.mark.parametrize("busy", [0, 1, TRIES - 1, TRIES])
async def test_call_is_made_again_while_its_answer_says_so(busy: int) -> None:
    again = Answer(409, {"Retry-After": "1"}, {"code": "ABORTED"})
    answers = iter([*[again] * busy, *[Answer(403, {}, {"code": "PERMISSION_DENIED"})] * TRIES])

    async def call() -> Answer:
        return next(answers)

    assert (await settled(call)).code == ("ABORTED" if busy == TRIES else "PERMISSION_DENIED")


def test_row_with_an_undecided_cell_is_refused() -> None:
    act, _ = ROWS[0]
    decided = dict(act.decisions)
    del decided[CallerKind.ADMIN]

    with pytest.raises(ValueError, match="administrator must be decided"):
        replace(act, decisions=decided)


def test_every_call_has_a_row() -> None:
    decided = {operation for act in PERMISSION_TABLE for operation in act.operations}

    assert decided == {route.operation for route in CALLS}


def test_titles_are_unique_for_each_type() -> None:
    assert {act.about.title for act in PERMISSION_TABLE} == {about.title for about in OBJECT_TYPES}
    assert max(Counter((act.about.title, act.title) for act in PERMISSION_TABLE).values()) == 1


REFUSALS: Final = (Verdict.DENIED, Verdict.NARROW, Verdict.HIDDEN, Verdict.LEFT_OUT, Verdict.TAKEN)
PEERS: Final = {CallerKind.ADMIN: CallerKind.PIPELINE_ADMIN, CallerKind.OUTSIDE_ADMIN: CallerKind.OUTSIDER}

every_act = pytest.mark.parametrize("act", PERMISSION_TABLE, ids=lambda act: f"{act.about.title}: {act.title}")


@every_act
def test_scopes_in_a_row_only_take_away(act: Act) -> None:
    for kind, decision in act.decisions.items():
        for verdict in decision.without.values():
            less = (verdict, decision.verdict) == (Verdict.NAMES, Verdict.ALLOWED)
            assert less or verdict in REFUSALS, kind


@every_act
def test_administrators_token_without_the_scope_admin_may_no_more_than_a_pipeline_administrators(act: Act) -> None:
    for kind, peer in PEERS.items():
        if kind not in act.decisions:
            continue
        stands_for_admin = SCOPE_SCIM if act.operations[0] in OF_SCIM else SCOPE_ADMIN
        for scopes in (each for each in range(EVERY_SCOPE + 1) if not each & stands_for_admin):
            narrow, theirs = (act.decisions[each].on(scopes)[0] for each in (kind, peer))
            assert narrow == theirs or (narrow is Verdict.NARROW and theirs in REFUSALS), (kind, scopes)


def test_page_is_that_of_the_table() -> None:
    assert PAGE.read_text() == page(), "make permissions writes it anew"
