"""Calls leave nothing in the session that they used, so that connections return to the pool as they are."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiohttp import ClientTimeout
from aiohttp.test_utils import TestClient, TestServer

from service.app import TOKEN_USE, create_app
from service.database.pool import Connection, Database, open_database
from service.embedded.cluster import SERVICE_ROLE
from service.health import Health
from service.http.routes import Route
from service.repositories import groups
from service.settings import Settings
from tests.api.calls import As
from tests.api.test_method_table import every_route, what_it_is_for
from tests.conftest import THROUGH, Client
from tests.factories import World, bearer

pytestmark = pytest.mark.skipif(
    THROUGH is not None,
    reason="a pooler gives each transaction another session; tests/faults/scenarios/pgbouncer.py is about those",
)
Raw = Any

SESSION = """
    SELECT pg_backend_pid() AS pid,
           current_user AS role,
           ARRAY(
               SELECT name || '=' || setting FROM pg_settings WHERE setting IS DISTINCT FROM reset_val ORDER BY name
           ) AS settings,
           ARRAY(SELECT objid::text FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
           ARRAY(SELECT pg_listening_channels()) AS channels,
           ARRAY(SELECT relname::text FROM pg_class WHERE relnamespace = pg_my_temp_schema()) AS temporary,
           ARRAY(SELECT name FROM pg_prepared_statements WHERE from_sql) AS prepared,
           ARRAY(SELECT name FROM pg_cursors WHERE is_holdable) AS cursors
"""
"""A query of all that a session can hold beyond a transaction.

Settings are those whose values are not what the session began with: asyncpg itself turns jit off, and on again, when it
learns of a type, which is no change; and triggers load PL/pgSQL, which brings settings of its own."""


@dataclass(frozen=True)
class Single:
    """The service on a pool of one connection, and a second connection that inspects it."""

    client: Client
    database: Database
    raw: Raw
    before: dict[str, Any]

    async def session(self) -> dict[str, Any]:
        return await session(self.database)

    async def assert_left_as_it_was(self) -> None:
        """Assert that the connection is the same, with nothing in it that was not there when it was new."""
        assert await self.activity(self.before["pid"]) == ("idle", None)
        assert await self.session() == self.before

    async def assert_replaced(self) -> None:
        """Assert that the connection was given up, and that the next is like the first was when it was new."""
        after = await self.session()
        assert after["pid"] != self.before["pid"]
        assert after == {**self.before, "pid": after["pid"]}

    async def activity(self, pid: int) -> tuple[str, object] | None:
        """Return the state of a connection, and the start of its transaction."""
        row = await self.raw.fetchrow("SELECT state, xact_start FROM pg_stat_activity WHERE pid = $1", pid)
        return tuple(row) if row else None

    async def is_gone(self) -> bool:
        """Return whether the server has ended the connection, with its transaction.

        The server notices that the client is gone once it no longer waits for a lock.
        """
        return await self.activity(self.before["pid"]) is None

    async def waits(self) -> bool:
        """Return whether the connection waits for a lock."""
        waiting = "SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'"
        return await self.raw.fetchrow(waiting, self.before["pid"]) is not None


async def comes_true(condition: Callable[[], Awaitable[bool]]) -> bool:
    """Return whether a condition holds within four seconds, which is less than a statement may take."""
    for _ in range(200):
        if await condition():
            return True
        await asyncio.sleep(0.02)
    return False


async def session(database: Database) -> dict[str, Any]:
    async with database.connection() as connection:
        row = await connection.fetch_row("test", SESSION)
    assert row is not None
    return dict(row)


@asynccontextmanager
async def opened(dsn: str, settings: Settings, raw: Raw) -> AsyncIterator[Single]:
    settings = replace(settings, database_pool_size=1)
    async with open_database(dsn, settings) as database:
        app = create_app(settings, database, Health(database, 1))
        async with TestClient(TestServer(app)) as client:
            yield Single(client, database, raw, await session(database))


@pytest.fixture
async def single(service_dsn: str, settings: Settings, raw: Raw) -> AsyncIterator[Single]:
    async with opened(service_dsn, settings, raw) as found:
        yield found


@pytest.fixture
async def impatient(service_dsn: str, settings: Settings, raw: Raw) -> AsyncIterator[Single]:
    """Yield a service whose requests may take less long than its statements, and than these may wait for a lock."""
    async with opened(service_dsn, replace(settings, request_timeout=0.7), raw) as found:
        yield found


@pytest.fixture
async def hasty(service_dsn: str, settings: Settings, raw: Raw) -> AsyncIterator[Single]:
    """Yield a service whose statements may take less long than its requests, and than they may wait for a lock."""
    async with opened(service_dsn, replace(settings, statement_timeout=0.7), raw) as found:
        yield found


@every_route
async def test_session_after_a_call_is_unchanged(single: Single, world: World, route: Route) -> None:
    caller, path, body = await what_it_is_for(world, route)

    answer = await As.member(single.client, caller)(route.method, path, body)

    assert answer.code == "OK", answer.body
    await single.assert_left_as_it_was()


async def test_session_after_token_use_is_written_is_unchanged(single: Single, world: World) -> None:
    member = await world.user()
    await As.member(single.client, member).get("/users/me")

    app = single.client.app
    assert app is not None
    await app[TOKEN_USE].write()

    assert await world.raw.fetchval("SELECT last_used_at FROM tokens WHERE user_id = $1", member.id)
    await single.assert_left_as_it_was()


async def test_session_after_refusals_is_unchanged(single: Single, world: World) -> None:
    owner, member = await world.user(role="admin"), await world.user()
    pipeline = await world.pipeline("Taken")
    job = await world.job(owner, pipeline)
    refused = [
        (await As(single.client, "fp_unknown").get("/users/me")).code,
        (await As.member(single.client, member)("DELETE", f"/jobs/{job}")).code,
        (await As.member(single.client, member)("POST", "/flow/pipeline", {"name": "x"})).code,
        (await As.member(single.client, owner)("POST", "/flow/pipeline", {"name": "taken"})).code,
        (await As.member(single.client, owner)("POST", "/flow/pipeline", {"name": 1})).code,
        (await As.member(single.client, owner)("DELETE", f"/flow/pipeline/{pipeline}")).code,
        (await As.member(single.client, owner)("DELETE", f"/jobs/{job}", None, {"If-Match": '"old"'})).status,
    ]

    assert refused == [
        "UNAUTHENTICATED",
        "NOT_FOUND",
        "PERMISSION_DENIED",
        "ALREADY_EXISTS",
        "INVALID_ARGUMENT",
        "FAILED_PRECONDITION",
        412,
    ]
    await single.assert_left_as_it_was()


async def test_session_after_a_deadline_in_a_transaction_is_replaced(impatient: Single, world: World) -> None:
    caller = await world.user(role="admin")
    job = await world.job(caller)
    async with world.raw.transaction():
        await world.raw.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job)

        answer = await As.member(impatient.client, caller)("DELETE", f"/jobs/{job}")

        assert answer.code == "DEADLINE_EXCEEDED"
        await impatient.assert_replaced()
    assert await comes_true(impatient.is_gone)
    assert await world.raw.fetchval("SELECT count(*) FROM jobs WHERE id = $1", job) == 1


async def test_session_after_a_deadline_in_a_statement_is_replaced(impatient: Single, world: World) -> None:
    caller = await world.user(role="admin")
    async with world.raw.transaction():
        await world.raw.execute("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")

        answer = await As.member(impatient.client, caller).get("/audit")

        assert answer.code == "DEADLINE_EXCEEDED"
        await impatient.assert_replaced()
    assert await comes_true(impatient.is_gone)


async def test_session_after_a_statement_timeout_is_unchanged(hasty: Single, world: World) -> None:
    """The connection stays, without the statement, in a transaction and outside of one."""
    caller = await world.user(role="admin")
    job = await world.job(caller)
    async with world.raw.transaction():
        await world.raw.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job)
        await world.raw.execute("LOCK TABLE audit IN ACCESS EXCLUSIVE MODE")

        in_transaction = await As.member(hasty.client, caller)("DELETE", f"/jobs/{job}")
        outside = await As.member(hasty.client, caller).get("/audit")

        assert (in_transaction.code, outside.code) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
        await hasty.assert_left_as_it_was()


async def test_session_after_a_client_disconnects_is_unchanged_or_replaced(single: Single, world: World) -> None:
    """The client leaves in the middle of a transaction; its request may still be done, or not."""
    caller = await world.user(role="admin")
    job = await world.job(caller)
    async with world.raw.transaction():
        await world.raw.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job)
        leaving = asyncio.create_task(
            single.client.delete(f"/api/v1/jobs/{job}", headers=bearer(caller.token), timeout=ClientTimeout(30))
        )
        assert await comes_true(single.waits)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving

    if (await single.session())["pid"] == single.before["pid"]:
        await single.assert_left_as_it_was()
    else:
        await single.assert_replaced()
        assert await comes_true(single.is_gone)


@pytest.mark.parametrize(
    "statement",
    [
        "SET work_mem = '5MB'",
        "SET search_path = pg_catalog, public",
        "SELECT set_config('application_name', 'other', false)",
        "SELECT pg_advisory_lock(4711)",
        "LISTEN somebody",
        "CREATE TEMPORARY TABLE leftover (id int)",
        "PREPARE leftover AS SELECT 1",
        "DECLARE leftover CURSOR WITH HOLD FOR SELECT 1",
    ],
)
async def test_session_check_finds_what_an_operation_left_behind(
    single: Single, world: World, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    """The control: it shows that the tests above can fail. Of itself the service's role can make no temporary table."""
    database = await world.raw.fetchval("SELECT current_database()")
    await world.raw.execute(f"GRANT TEMPORARY ON DATABASE {database} TO {SERVICE_ROLE}")
    page = groups.page

    async def leave_something(connection: Connection, *arguments: Any) -> Any:
        await connection.execute("test", statement)
        return await page(connection, *arguments)

    monkeypatch.setattr(groups, "page", leave_something)
    answer = await As.member(single.client, await world.user(role="admin")).get("/groups")

    assert answer.code == "OK", answer.body
    await world.raw.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM {SERVICE_ROLE}")
    with pytest.raises(AssertionError):
        await single.assert_left_as_it_was()
