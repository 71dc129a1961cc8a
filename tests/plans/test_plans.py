"""The indexes by which the hot statements reach their tables, on a database filled like a company's.

The statements are those that the repositories send, with the arguments of real calls. Each is planned for these
arguments, and generically: PostgreSQL may choose a generic plan for prepared statements, as all of them are.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import pytest

from service.authentication.bearer import Authentication
from service.batching.job_updates import JobUpdateBatcher
from service.batching.pipeline_lists import PipelineListBatcher
from service.database.fair_queue import Presence
from service.database.pool import Connection, Database, open_database
from service.database.session_defaults import PLANNER_DEFAULTS
from service.database.spares import SpareConnections
from service.embedded.cluster import embedded_postgres
from service.identity import Caller, MappedUser, Provided
from service.repositories import groups, jobs, overview, pipelines, queues, tokens, users
from service.repositories.identities import Identity
from service.repositories.identities import find_linked as find_links
from service.repositories.identities import note_use as note_link_use
from service.repositories.ordering import Orders, Span
from service.settings import Settings
from service.telemetry.metrics import SECONDS, Histograms
from tests.plans.database import CHOSEN, LARGE, SERVER, SMALL, Target, fill, targets

Plan = dict[str, Any]

LARGE_TABLES = frozenset(
    (
        "identity_links",
        "users",
        "tokens",
        "memberships",
        "pipelines",
        "user_grants",
        "group_grants",
        "jobs",
        "assignments",
        "groups",
    )
)
"""Tables that must never be scanned sequentially."""


@dataclass(frozen=True)
class Statement:
    """A statement that a repository sent."""

    name: str
    text: str
    arguments: tuple[object, ...]


class Recorder(Connection):
    """A connection that records statements, and sends them."""

    __slots__ = ("sent",)

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self.sent: list[Statement] = []

    async def fetch(self, name: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        self.sent.append(Statement(name, statement, arguments))
        return await super().fetch(name, statement, *arguments)

    async def fetch_row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        self.sent.append(Statement(name, statement, arguments))
        return await super().fetch_row(name, statement, *arguments)

    async def execute(self, name: str, statement: str, *arguments: object) -> None:
        self.sent.append(Statement(name, statement, arguments))
        await super().execute(name, statement, *arguments)


class OneConnection(Database):
    """A database with one connection, the recorder, whose users take turns."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._turn = asyncio.Lock()
        self.durations = Histograms(SECONDS)
        self.connection_type = lambda *_: recorder
        self.expired = 0
        self.presence = Presence()
        self.spares = SpareConnections()

    @property
    def exhausted(self) -> bool:
        """Nobody keeps the connection."""
        return True

    async def acquire(self) -> Any:
        await self._turn.acquire()
        return self._recorder._raw

    async def release(self, raw: Any, error: BaseException | None) -> None:
        self._turn.release()

    async def run(self, operation: Callable[[], Awaitable[Any]], *, only_reads: bool) -> Any:
        return await operation()


ISSUER = "https://id.example.com"
LINK_EVERY_USER = f"""
    INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)
    SELECT organization_id, gen_random_uuid(), id, '{ISSUER}', id::text FROM users
    ON CONFLICT DO NOTHING;
    ANALYZE identity_links
"""


@pytest.fixture(scope="module")
def filled_server(request: pytest.FixtureRequest) -> Iterator[str]:
    if CHOSEN is LARGE:
        with embedded_postgres(LARGE.directory, SERVER) as dsn:
            yield dsn
    else:
        yield request.getfixturevalue("server_dsn")


@pytest.fixture(scope="module")
async def filled(filled_server: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator["Filled"]:
    """Fill the database; yield it with a connection and with updates to make."""
    dsn, directory = filled_server, LARGE.directory
    if CHOSEN is SMALL:
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE DATABASE plans")
        await connection.close()
        dsn, directory = urlunsplit(urlsplit(dsn)._replace(path="/plans")), tmp_path_factory.mktemp("plans")
    await fill(dsn, CHOSEN, directory)
    raw = await asyncpg.connect(dsn)
    await raw.execute(LINK_EVERY_USER)
    yield Filled(dsn, raw, targets(directory, 32))
    await raw.close()


@dataclass(frozen=True)
class Filled:
    dsn: str
    raw: "asyncpg.Connection[asyncpg.Record]"
    targets: list[Target]

    async def caller(self, settings: Settings, target: Target) -> Caller:
        async with open_database(self.dsn, settings) as database:
            return await Authentication(database, 5).authenticate(f"Bearer {target.token}")

    async def linked_caller(self, settings: Settings, target: Target) -> Caller:
        """Return the user of a target as they come by their link."""
        caller = await self.caller(settings, target)
        link = await self.raw.fetchrow(
            "SELECT id, secret FROM identity_links WHERE organization_id = $1 AND user_id = $2",
            *(caller.organization_id, caller.user_id),
        )
        assert link is not None
        provided = Provided(
            ISSUER, link["id"], link["secret"], caller.database_time + timedelta(hours=1), (), None, None
        )
        return replace(caller, token_id=link["id"], provided=provided)

    async def identity(self, number: int) -> Identity:
        """Return a user of a target as a provider knows them, whose claims are mapped to two groups."""
        organization_id = await self.organization_id()
        names = await self.raw.fetch(
            "SELECT lower(name) FROM groups WHERE organization_id = $1 LIMIT 2", organization_id
        )
        subject = str(self.targets[number].user_id)
        return Identity(None, ISSUER, subject, False, [name for (name,) in names])

    async def organization_id(self) -> UUID:
        found: UUID = await self.raw.fetchval(
            "SELECT organization_id FROM users WHERE id = $1", self.targets[0].user_id
        )
        return found

    async def administrator(self) -> UUID:
        found: UUID = await self.raw.fetchval(
            "SELECT id FROM users WHERE organization_id = $1 AND role = 'admin'", await self.organization_id()
        )
        return found


Send = Callable[[Filled, Recorder, Settings], Awaitable[None]]


async def find_active(filled: Filled, recorder: Recorder, _: Settings) -> None:
    digests = [hashlib.sha256(target.token.encode()).digest() for target in filled.targets]

    assert len(await tokens.find_active(recorder, digests)) == 32


async def find_active_alone(filled: Filled, recorder: Recorder, _: Settings) -> None:
    digests = [hashlib.sha256(filled.targets[0].token.encode()).digest()]

    assert len(await tokens.find_active(recorder, digests)) == 1


async def find_linked(filled: Filled, recorder: Recorder, _: Settings) -> None:
    identities = [await filled.identity(number) for number in range(8)]  # of more, a small table is read whole

    assert None not in await find_links(recorder, identities)


async def find_linked_alone(filled: Filled, recorder: Recorder, _: Settings) -> None:
    (linked,) = await find_links(recorder, [await filled.identity(0)])

    assert linked is not None
    assert len(linked.groups) == 2


async def find_unmapped(filled: Filled, recorder: Recorder, _: Settings) -> None:
    identities = [(await filled.identity(number))._replace(groups=()) for number in range(8)]

    assert None not in await find_links(recorder, identities)


async def find_unmapped_alone(filled: Filled, recorder: Recorder, _: Settings) -> None:
    (linked,) = await find_links(recorder, [(await filled.identity(0))._replace(groups=())])

    assert linked is not None
    assert not linked.groups


async def list_granted_with_mapped_groups(filled: Filled, recorder: Recorder, _: Settings) -> None:
    (linked,) = await find_links(recorder, [await filled.identity(0)])
    assert linked is not None
    user_id = MappedUser(linked.user_id, tuple(key for key, _ in linked.groups), elevated=False)

    listing = await pipelines.list_granted(recorder, linked.organization_id, user_id)

    assert len(listing.pipelines) > 10


async def note_use_of_links(filled: Filled, recorder: Recorder, _: Settings) -> None:
    linked = await find_links(recorder, [await filled.identity(number) for number in range(12)])

    await note_link_use(recorder, [(each.organization_id, each.link_id, each.database_time) for each in linked if each])


async def list_granted(filled: Filled, recorder: Recorder, _: Settings) -> None:
    listing = await pipelines.list_granted(recorder, await filled.organization_id(), filled.targets[0].user_id)

    assert len(listing.pipelines) > 10


async def list_granted_each(filled: Filled, recorder: Recorder, _: Settings) -> None:
    organization_id = await filled.organization_id()
    users = [(organization_id, target.user_id) for target in filled.targets[:16]]

    listings = await pipelines.list_granted_each(recorder, users)

    assert sum(len(listing.pipelines) for listing in listings if listing) > 100


async def list_all(filled: Filled, recorder: Recorder, _: Settings) -> None:
    organization_id = await filled.organization_id()

    listing = await pipelines.list_all(recorder, organization_id, await filled.administrator())

    assert len(listing.pipelines) >= 500
    assert len(listing.version.revisions) > 1


async def list_all_page(filled: Filled, recorder: Recorder, _: Settings) -> None:
    filters = pipelines.Filters(after=("pipeline 0000-00099", str(UUID(int=0))), limit=51)

    listing = await pipelines.list_all(recorder, await filled.organization_id(), await filled.administrator(), filters)

    assert len(listing.pipelines) == 51


async def update_one(filled: Filled, recorder: Recorder, settings: Settings) -> None:
    await update_each(filled, recorder, settings, count=1)


async def update_each(filled: Filled, recorder: Recorder, settings: Settings, count: int = 12) -> None:
    database = OneConnection(recorder)
    updates = JobUpdateBatcher(database, PipelineListBatcher(database), 2**20)
    callers = [(target, await filled.caller(settings, target)) for target in filled.targets[:count]]

    made = await asyncio.gather(
        *(updates.update(caller, None, target.job_id, target.pipeline_ids) for target, caller in callers)
    )

    assert None not in made


async def update_linked(filled: Filled, recorder: Recorder, settings: Settings, count: int = 12) -> None:
    """Make the same updates by an identity provider, whose claims are mapped to a group of each user's."""
    database = OneConnection(recorder)
    updates = JobUpdateBatcher(database, PipelineListBatcher(database), 2**20)
    callers = [await filled.linked_caller(settings, target) for target in filled.targets[:count]]

    made = await asyncio.gather(
        *(
            updates.update(caller, None, target.job_id, target.pipeline_ids)
            for target, caller in zip(filled.targets[:count], callers, strict=True)
        )
    )

    assert None not in made


async def update_linked_alone(filled: Filled, recorder: Recorder, settings: Settings) -> None:
    await update_linked(filled, recorder, settings, count=1)


async def find_for_update(filled: Filled, recorder: Recorder, _: Settings) -> None:
    assert await jobs.find_for_update(recorder, await filled.organization_id(), filled.targets[0].job_id)


async def list_for_update_of_job(filled: Filled, recorder: Recorder, _: Settings) -> None:
    target = filled.targets[0]

    found = await pipelines.list_for_update_of_job(
        recorder, await filled.organization_id(), target.user_id, target.job_id, target.pipeline_ids
    )

    assert len(found) >= len(target.pipeline_ids)


async def replace_assignments(filled: Filled, recorder: Recorder, _: Settings) -> None:
    target = filled.targets[0]
    await jobs.replace_assignments(recorder, await filled.organization_id(), target.job_id, target.pipeline_ids)


async def hold_pipelines(filled: Filled, recorder: Recorder, _: Settings) -> None:
    await pipelines.hold(recorder, await filled.organization_id(), filled.targets[0].pipeline_ids)


async def list_of_job(filled: Filled, recorder: Recorder, _: Settings) -> None:
    organization_id = await filled.organization_id()
    job_id = await filled.raw.fetchval("SELECT job_id FROM assignments WHERE organization_id = $1", organization_id)

    assert await pipelines.list_of_job(recorder, organization_id, filled.targets[0].user_id, job_id)


async def note_use(filled: Filled, recorder: Recorder, settings: Settings) -> None:
    callers = [await filled.caller(settings, target) for target in filled.targets[:12]]

    await tokens.note_use(
        recorder, [(caller.organization_id, caller.token_id, caller.database_time) for caller in callers]
    )


LINKED = {"identity_links": "identity_links_identity_unique", "groups": "groups_pkey groups_name_unique"}
MEMBERSHIPS = {"memberships": "memberships_pkey", "groups": "groups_pkey"}
GRANTS = {
    "user_grants": "user_grants_pkey",
    "memberships": "memberships_pkey",
    "group_grants": "group_grants_pkey",
}
HOT: list[tuple[str, Send, dict[str, str]]] = [
    (
        "tokens.find_active",
        find_active,
        {"tokens": "tokens_digest_unique", "users": "users_pkey", **MEMBERSHIPS},
    ),
    (
        "tokens.find_active",
        find_active_alone,
        {"tokens": "tokens_digest_unique", "users": "users_pkey", **MEMBERSHIPS},
    ),
    *(
        (
            "pipelines.list_granted",
            each,
            {"users": "users_pkey", "pipelines": "pipelines_pkey", **MEMBERSHIPS, **GRANTS},
        )
        for each in (list_granted, list_granted_with_mapped_groups)
    ),
    (
        "pipelines.list_granted_each",
        list_granted_each,
        {"users": "users_pkey", "pipelines": "pipelines_pkey", **MEMBERSHIPS, **GRANTS},
    ),
    # Unfiltered only on the large set: on the small one it is half of the table, which may well be scanned.
    *(
        [("pipelines.list_all", list_all, {"users": "users_pkey", "pipelines": "pipelines_by_name", **MEMBERSHIPS})]
        if CHOSEN is LARGE
        else []
    ),
    (
        "pipelines.list_all",
        list_all_page,
        {"users": "users_pkey", "pipelines": "pipelines_by_name", **MEMBERSHIPS},
    ),
    (
        "jobs.update_each",
        update_each,
        {
            "tokens": "tokens_digest_unique",
            "jobs": "jobs_pkey",
            "users": "users_pkey",
            "assignments": "assignments_pkey",
            "pipelines": "pipelines_pkey",
            **MEMBERSHIPS,
        },
    ),
    (
        "jobs.update_each",
        update_one,
        {
            "tokens": "tokens_digest_unique",
            "jobs": "jobs_pkey",
            "users": "users_pkey",
            "assignments": "assignments_pkey",
            "pipelines": "pipelines_pkey",
            **MEMBERSHIPS,
        },
    ),
    *(
        (
            "jobs.update_each",
            each,
            {
                "identity_links": "identity_links_pkey",
                "groups": "groups_pkey",
                "jobs": "jobs_pkey",
                "users": "users_pkey",
                "assignments": "assignments_pkey",
                "pipelines": "pipelines_pkey",
                **MEMBERSHIPS,
            },
        )
        for each in (update_linked, update_linked_alone)
    ),
    ("jobs.find_for_update", find_for_update, {"jobs": "jobs_pkey", "users": "users_pkey"}),
    (
        "pipelines.list_for_update_of_job",
        list_for_update_of_job,
        {"assignments": "assignments_pkey", "pipelines": "pipelines_pkey", **GRANTS},
    ),
    (
        "jobs.replace_assignments",
        replace_assignments,
        {"jobs": "jobs_pkey", "assignments": "assignments_pkey"},
    ),
    ("pipelines.hold", hold_pipelines, {"pipelines": "pipelines_pkey"}),
    (
        "pipelines.list_of_job",
        list_of_job,
        {"assignments": "assignments_pkey", "pipelines": "pipelines_pkey", **GRANTS},
    ),
    ("tokens.note_use", note_use, {"tokens": "tokens_pkey"}),
    *(
        ("identities.find_linked", each, {**LINKED, "users": "users_pkey", "memberships": "memberships_pkey"})
        for each in (find_linked, find_linked_alone)
    ),
    *(
        ("identities.find_plain", each, {**LINKED, "groups": "groups_pkey", "users": "users_pkey", **MEMBERSHIPS})
        for each in (find_unmapped, find_unmapped_alone)
    ),
    ("identities.note_use", note_use_of_links, {"identity_links": "identity_links_pkey"}),
]
"""The hot statements, each with the index, or the indexes, by which it must reach each table."""


async def statement_of(filled: Filled, settings: Settings, name: str, send: Send) -> Statement:
    """Return the last statement of that name that `send` sends; all its effects are rolled back."""
    recorder = Recorder(filled.raw)
    transaction = filled.raw.transaction()
    await transaction.start()
    try:
        await send(filled, recorder, settings)
    finally:
        await transaction.rollback()
    return [statement for statement in recorder.sent if statement.name == name][-1]


async def plan_for_arguments(raw: "asyncpg.Connection[asyncpg.Record]", statement: Statement) -> Plan:
    explained = await raw.fetchval(f"EXPLAIN (FORMAT JSON) {statement.text}", *statement.arguments)
    plan: Plan = json.loads(explained)[0]["Plan"]
    return plan


async def plan_for_any(raw: "asyncpg.Connection[asyncpg.Record]", statement: Statement) -> Plan:
    """Return the generic plan, which does not depend on the arguments: here they are NULL."""
    nothing = ", ".join("NULL" for _ in statement.arguments)
    await raw.execute(f"PREPARE planned AS {statement.text}")
    try:
        async with raw.transaction():
            await raw.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            explained = await raw.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned ({nothing})")
    finally:
        await raw.execute("DEALLOCATE planned")
    plan: Plan = json.loads(explained)[0]["Plan"]
    return plan


PLANNERS = (plan_for_arguments, plan_for_any)


def nodes_of(plan: Plan) -> Iterator[Plan]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)


async def ways_to_tables(raw: "asyncpg.Connection[asyncpg.Record]", plan: Plan) -> dict[str, set[str]]:
    """Return, by table, the indexes by which a plan reaches it, and other kinds of scan, such as "Seq Scan"."""
    table_of = {
        row["index"]: row["table"]
        for row in await raw.fetch(
            """
            SELECT i.relname AS index, t.relname AS table
            FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
            """
        )
    }
    ways: dict[str, set[str]] = {}
    for node in nodes_of(plan):
        kind, index, table = node["Node Type"], node.get("Index Name"), node.get("Relation Name")
        if index:
            ways.setdefault(table_of[index], set()).add(index)
        elif table and kind not in ("ModifyTable", "Bitmap Heap Scan"):
            ways.setdefault(table, set()).add(kind)
    return ways


async def assert_reached_by(
    raw: "asyncpg.Connection[asyncpg.Record]", plan: Plan, expected: dict[str, str], label: str
) -> None:
    ways = await ways_to_tables(raw, plan)
    small = ways.pop("organizations", {"organizations_pkey"})
    print(f"{label:<55} {' '.join(sorted(way for of_table in ways.values() for way in of_table))}")
    assert {table: found for table, found in ways.items() if table in LARGE_TABLES} == {
        table: {*indexes.split()} for table, indexes in expected.items()
    }
    if small != {"organizations_pkey"}:
        pages = await raw.fetchval("SELECT relpages FROM pg_class WHERE oid = 'organizations'::regclass")
        assert (small, pages) == ({"Seq Scan"}, 1), "only a table of one page may be read as a whole"


@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize(("name", "send", "expected"), HOT, ids=[send.__name__ for _, send, _ in HOT])
async def test_hot_statements_reach_tables_by_indexes(
    filled: Filled, settings: Settings, name: str, send: Send, expected: dict[str, str], planner: Any
) -> None:
    statement = await statement_of(filled, settings, name, send)

    plan = await planner(filled.raw, statement)

    await assert_reached_by(filled.raw, plan, expected, f"{send.__name__}, {planner.__name__}")


async def scanned_while_small(
    filled: Filled, statements: list[Statement], planner_settings: Mapping[str, str]
) -> set[str]:
    """Return the tables that generic plans of statements scan sequentially, made while all tables are empty."""
    scanned: set[str] = set()
    transaction = filled.raw.transaction()
    await transaction.start()
    try:
        await filled.raw.execute("TRUNCATE organizations CASCADE; ANALYZE")
        for name, value in planner_settings.items():
            await filled.raw.execute(f"SET LOCAL {name} = {value}")
        for statement in statements:
            ways = await ways_to_tables(filled.raw, await plan_for_any(filled.raw, statement))
            scanned |= {table for table, found in ways.items() if "Seq Scan" in found}
    finally:
        await transaction.rollback()
    return scanned


async def test_hot_statements_scan_no_table_however_small_it_was(filled: Filled, settings: Settings) -> None:
    """As a plan that was made for a small table is kept while another organization fills it."""
    statements = [await statement_of(filled, settings, name, send) for name, send, _ in HOT]

    assert await scanned_while_small(filled, statements, PLANNER_DEFAULTS) == set()
    assert await scanned_while_small(filled, statements, {}), "the control: without the settings some do"


async def test_job_updates_are_planned_as_a_batch(filled: Filled, settings: Settings) -> None:
    statement = await statement_of(filled, settings, "jobs.update_each", update_each)

    assert statement.arguments[1] == [target.job_id for target in filled.targets[:12]]


@pytest.mark.parametrize("planner", PLANNERS)
@pytest.mark.parametrize(("name", "send", "expected"), HOT, ids=[send.__name__ for _, send, _ in HOT])
async def test_sequential_scan_of_a_hot_statement_is_detected(
    filled: Filled, settings: Settings, name: str, send: Send, expected: dict[str, str], planner: Any
) -> None:
    """The control: it shows that the test above can fail."""
    statement = await statement_of(filled, settings, name, send)
    async with filled.raw.transaction():
        for way in ("indexscan", "bitmapscan", "indexonlyscan"):
            await filled.raw.execute(f"SET LOCAL enable_{way} = off")
        plan = await planner(filled.raw, statement)

    with pytest.raises(AssertionError, match="Seq Scan"):
        await assert_reached_by(filled.raw, plan, expected, "without indexes")


AFTER = {"text": "m", "timestamptz": "2030-01-01T00:00:00Z", "uuid": str(UUID(int=2**127)), "bigint": "9"}

Page = Callable[[Recorder, UUID, UUID, Span], Awaitable[object]]


def page_of_jobs(recorder: Recorder, organization_id: UUID, _: UUID, span: Span) -> Awaitable[object]:
    user, none = UUID(int=0), {"pipeline_id": None, "owner_id": None}
    return jobs.page(recorder, organization_id, user, everything=True, readable=[], span=span, **none)


def page_of_queue(recorder: Recorder, organization_id: UUID, pipeline_id: UUID, span: Span) -> Awaitable[object]:
    return queues.page(recorder, organization_id, pipeline_id, span)


def page_of_users(recorder: Recorder, organization_id: UUID, _: UUID, span: Span) -> Awaitable[object]:
    return users.page(recorder, organization_id, users.UserFilters(), span)


def page_of_tokens(recorder: Recorder, organization_id: UUID, _: UUID, span: Span) -> Awaitable[object]:
    return tokens.page(recorder, organization_id, tokens.TokenFilters(), span)


def page_of_groups(recorder: Recorder, organization_id: UUID, _: UUID, span: Span) -> Awaitable[object]:
    return groups.page(recorder, organization_id, None, span)


SORTED_BY_INDEX = [
    (page_of_jobs, jobs.ORDERS, "created_at", "jobs_by_age"),
    (page_of_jobs, jobs.ORDERS, "id", "jobs_pkey"),
    (page_of_queue, queues.ORDERS, "assigned_at", "assignments_by_pipeline"),
    (page_of_users, users.ORDERS, "username", "users_username_unique"),
    (page_of_tokens, tokens.ORDERS, "created_at", "tokens_by_age"),
    (page_of_groups, groups.ORDERS, "name", "groups_name_unique"),
]
"""The orders that an index has; those that it has not sort what one organization has of a table that stays small."""


@pytest.mark.parametrize("behind", [False, True], ids=["first", "behind"])
@pytest.mark.parametrize("sign", ["", "-"], ids=["up", "down"])
@pytest.mark.parametrize(
    ("page", "orders", "name", "index"), SORTED_BY_INDEX, ids=[f"{row[3]}" for row in SORTED_BY_INDEX]
)
async def test_pages_are_read_in_the_order_of_an_index(
    filled: Filled, page: Page, orders: Orders, name: str, index: str, sign: str, behind: bool
) -> None:
    organization_id = await filled.organization_id()
    pipeline_id = await filled.raw.fetchval(
        "SELECT pipeline_id FROM assignments WHERE organization_id = $1 GROUP BY 1 ORDER BY count(*) DESC LIMIT 1",
        organization_id,
    )
    order = orders.find(f"{sign}{name}")
    after = [AFTER[column.type] for column in order.columns] if behind else None
    recorder = Recorder(filled.raw)
    await page(recorder, organization_id, pipeline_id, Span(order, after, 20))
    (statement,) = recorder.sent

    async with filled.raw.transaction():
        await filled.raw.execute("SET LOCAL enable_seqscan = off")  # of small tables, for which the planner may take it
        plan = await plan_for_arguments(filled.raw, statement)

    found = [*nodes_of(plan)]
    assert index in {node.get("Index Name") for node in found}
    # What few jobs a member sees is sorted: there is none of it for those who see all.
    assert page is page_of_jobs or not [node for node in found if "Sort" in node["Node Type"]]


async def test_page_of_jobs_costs_no_more_than_the_visible_jobs(filled: Filled, settings: Settings) -> None:
    """The statement does not walk through all jobs of the organization to find those few."""
    organization_id, user_id = await filled.organization_id(), filled.targets[0].user_id

    async def send(filled: Filled, recorder: Recorder, _: Settings) -> None:
        listing = await pipelines.list_granted(recorder, organization_id, user_id)
        readable = [pipeline.id for pipeline in listing.pipelines]
        assert await jobs.page(
            recorder,
            organization_id,
            user_id,
            everything=False,
            readable=readable,
            pipeline_id=None,
            owner_id=None,
            span=Span(jobs.ORDERS.find(None), None, 100),
        )

    statement = await statement_of(filled, settings, "jobs.page", send)
    explained = await filled.raw.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}", *statement.arguments)
    result = json.loads(explained)[0]
    run = [node for node in nodes_of(result["Plan"]) if node["Actual Loops"]]

    print(f"jobs.page: {result['Execution Time']} ms, {sorted({n['Index Name'] for n in run if 'Index Name' in n})}")
    assert not [node for node in run if node.get("Index Name") == "jobs_by_age" or "Seq" in node["Node Type"]]


LOOKING = [
    (overview.find_unexecuted_pipelines, {"pipelines_by_name", "user_grants_by_pipeline", "group_grants_by_pipeline"}),
    (overview.find_ending_grants, {"user_grants_pkey", "group_grants_pkey"}),
    (overview.find_unused_tokens, {"tokens_by_age"}),
    (overview.find_loose_jobs, {"jobs_by_age", "assignments_pkey"}),
    (overview.find_self_granted, {"user_grants_pkey"}),  # the data set has no trail, and so no plan for it
    (overview.list_oldest_queues, {"pipelines_by_name", "assignments_by_pipeline"}),
]
"""The statements of the overview, with the indexes in whose order each looks at rows, and by which it finds what they
have."""


@pytest.mark.parametrize(("find", "indexes"), LOOKING, ids=[find.__name__ for find, _ in LOOKING])
async def test_overview_looks_at_bounded_rows_in_the_order_of_indexes(
    filled: Filled, find: Callable[[Recorder, UUID], Awaitable[object]], indexes: set[str]
) -> None:
    """A limit bounds what is read only where nothing is sorted before it, and nothing else is read as a whole."""
    recorder = Recorder(filled.raw)
    await find(recorder, await filled.organization_id())

    found: list[Plan] = []
    async with filled.raw.transaction():
        for way in ("seqscan", "bitmapscan", "sort"):  # of small tables, for which the planner may take them
            await filled.raw.execute(f"SET LOCAL enable_{way} = off")
        for statement in recorder.sent:
            plan = await plan_for_arguments(filled.raw, statement)
            found += nodes_of(plan)
            assert not sorted_below_a_limit(plan, "CTE examined"), statement.name

    used = {node.get("Index Name") for node in found}
    assert indexes <= used, used
    assert not [node for node in found if node["Node Type"] == "Seq Scan"]


def sorted_below_a_limit(plan: Plan, part: str) -> list[Plan]:
    """Return the nodes of a plan's part that sort or hash what they read."""
    parts = [node for node in nodes_of(plan) if node.get("Subplan Name") == part]
    assert parts
    return [node for each in parts for node in nodes_of(each) if re.search("Sort|Hash", node["Node Type"])]
