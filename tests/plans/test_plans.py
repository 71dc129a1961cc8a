"""The indexes by which the hot statements reach their tables, on a database filled like a company's.

The statements are those that the repositories send, with the arguments of real calls. Each is planned for these
arguments, and generically: PostgreSQL may choose a generic plan for prepared statements, as all of them are.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import pytest

from service.database.pool import Connection
from service.database.session_defaults import PLANNER_DEFAULTS
from service.embedded.cluster import embedded_postgres
from service.repositories import groups, jobs, overview, pipelines, queues, tokens, users
from service.repositories.identities import find_linked
from service.repositories.literals import column_literal
from service.repositories.ordering import Orders, Span
from service.settings import Settings
from tests.plans.database import CHOSEN, LARGE, SERVER, SMALL, fill, targets
from tests.plans.hot_statements import HOT, LINK_EVERY_USER, Filled, Send, statement_of, update_each, update_one
from tests.plans.planning import PLANNERS, Plan, nodes_of, plan_for_any, plan_for_arguments, ways_to_tables
from tests.plans.recording import Recorder, Statement

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
        await connection.execute("REVOKE CONNECT ON DATABASE plans FROM PUBLIC")  # as doctor tells of what is open
        await connection.close()
        dsn, directory = urlunsplit(urlsplit(dsn)._replace(path="/plans")), tmp_path_factory.mktemp("plans")
    await fill(dsn, CHOSEN, directory)
    raw = await asyncpg.connect(dsn)
    await raw.execute(LINK_EVERY_USER)
    yield Filled(dsn, raw, targets(directory, 32))
    await raw.close()


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

    async with filled.raw.transaction():
        # As in the service's sessions; on millions of records, plans have to be good without.
        for setting, value in PLANNER_DEFAULTS.items() if CHOSEN is SMALL else ():
            await filled.raw.execute(f"SET LOCAL {setting} = {value}")
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


FEW_TOKENS = """
    INSERT INTO organizations (id, name) SELECT gen_random_uuid(), 'few-' || n FROM generate_series(1, 4) n;
    INSERT INTO users (organization_id, id, username)
        SELECT o.id, gen_random_uuid(), 'user-' || n
        FROM organizations o CROSS JOIN generate_series(1, {count}) n WHERE o.name LIKE 'few-%';
    INSERT INTO tokens (organization_id, id, user_id, name, digest)
        SELECT u.organization_id, gen_random_uuid(), u.id, u.username, sha256(u.id::text::bytea) FROM users u;
    ANALYZE
"""


@pytest.mark.parametrize("count", [0, 1, 250])
async def test_job_updates_find_tokens_by_their_digests_however_few_there_are(
    filled: Filled, settings: Settings, count: int
) -> None:
    """As PostgreSQL may expect that to read all of an organization costs no more."""
    statements = [await statement_of(filled, settings, "jobs.update_each", send) for send in (update_each, update_one)]
    transaction = filled.raw.transaction()
    await transaction.start()
    try:
        await filled.raw.execute("TRUNCATE organizations CASCADE;" + FEW_TOKENS.format(count=count))
        for name, value in PLANNER_DEFAULTS.items():
            await filled.raw.execute(f"SET LOCAL {name} = {value}")
        for statement in statements:
            ways = await ways_to_tables(filled.raw, await plan_for_any(filled.raw, statement))
            assert ways["tokens"] == {"tokens_digest_unique"}
    finally:
        await transaction.rollback()


async def test_job_updates_are_planned_as_a_batch(filled: Filled, settings: Settings) -> None:
    statement = await statement_of(filled, settings, "jobs.update_each", update_each)

    assert statement.arguments[1] == column_literal("text", [target.job_id for target in filled.targets[:12]])


async def find_two_tokens(filled: Filled, connection: Connection) -> int:
    digests = [hashlib.sha256(target.token.encode()).digest() for target in filled.targets[:2]]
    return len(await tokens.find_active(connection, digests))


async def list_for_two(filled: Filled, connection: Connection) -> int:
    organization_id = await filled.organization_id()
    users = [(organization_id, target.user_id) for target in filled.targets[:2]]
    return len(await pipelines.list_granted_each(connection, users))


async def find_two_links(filled: Filled, connection: Connection) -> int:
    return len(await find_linked(connection, [await filled.identity(number) for number in range(2)]))


async def find_two_unmapped_links(filled: Filled, connection: Connection) -> int:
    identities = [(await filled.identity(number))._replace(groups=()) for number in range(2)]
    return len(await find_linked(connection, identities))


@pytest.mark.parametrize("ask", [find_two_tokens, list_for_two, find_two_links, find_two_unmapped_links])
async def test_statements_for_several_callers_are_planned_once(
    filled: Filled, ask: Callable[[Filled, Connection], Awaitable[int]]
) -> None:
    """To plan one takes longer than to run it, and PostgreSQL would do so each time for a list of known length."""
    raw = await asyncpg.connect(filled.dsn)
    try:
        for _ in range(8):
            assert await ask(filled, Connection(raw)) == 2
        plans = await raw.fetch(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE generic_plans + custom_plans = 8"
        )
    finally:
        await raw.close()

    assert [tuple(row) for row in plans] == [(3, 5)], "PostgreSQL plans each five times before it decides"


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
