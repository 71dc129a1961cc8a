"""Rows that nothing of the service writes: they fail nobody else's request, and can be read, changed and exported."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.errors import UnreadableRow
from service.database.migrations import migrate
from service.database.pool import Database, open_database
from service.health import Health
from service.http.routes import ROUTES
from service.permissions import FULL_ACCESS
from service.settings import Settings
from service.transfer.exporting import export_records
from service.transfer.importing import import_records
from tests.api.calls import As
from tests.api.sample import sample_body, sample_path
from tests.conftest import Client
from tests.factories import Member, World

TIMES = ["infinity", "-infinity", "10000-01-01T00:00:00Z", "294276-01-01T00:00:00Z", "0044-03-15 00:00:00Z BC"]


@dataclass(frozen=True)
class Broken:
    """A service on a database whose constraints somebody has dropped, and two organizations there."""

    client: Client
    database: Database
    dsn: str
    world: World
    ada: Member
    """An administrator, whose organization's rows are to be broken."""
    bob: Member
    """A member there."""
    eve: Member
    """Somebody in another organization."""
    in_path: dict[str, object]

    async def anew(self) -> "Broken":
        """Return the same with other organizations."""
        return await fill(self.client, self.database, self.dsn, self.world.raw)


async def fill(client: Client, database: Database, dsn: str, raw: "asyncpg.Connection[asyncpg.Record]") -> Broken:
    world, other = await World.create(raw), await World.create(raw)
    ada, eve, bob = await world.user("ada", role="admin"), await other.user("eve"), await world.user("bob")
    pipeline, group = await world.pipeline("Invoices"), await world.group(ada, bob, name="reviewers")
    for grantee in (ada, bob, group):
        await world.grant(pipeline, grantee, FULL_ACCESS)
    await other.grant(await other.pipeline("Others"), eve)
    job = await world.job(ada, pipeline)
    token = await raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", bob.id)
    in_path = {"pipeline_id": pipeline, "job_id": job, "username": "bob", "name": "reviewers", "token_id": token}
    return Broken(client, database, dsn, world, ada, bob, eve, in_path)


@pytest.fixture
async def broken(empty_dsn: str, settings: Settings) -> AsyncIterator[Broken]:
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    constraints = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0"
    for table, name in await raw.fetch(constraints):
        await raw.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    async with open_database(empty_dsn, settings) as database:
        app = create_app(settings, database, Health(database, 1))
        async with TestClient[web.Request, web.Application](TestServer(app)) as client:
            yield await fill(client, database, empty_dsn, raw)
    await raw.close()


async def spoil(world: World, value: str) -> int:
    """Set every time of an organization to a value, but the ends of the administrator's own tokens."""
    columns = await world.raw.fetch(
        """
        SELECT c.relname, a.attname FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.atttypid = 'timestamptz'::regtype
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND c.relname NOT IN ('schema_migrations', 'audit_seals', 'audit_archives')
          AND a.attname <> 'revoked_at'
        """
    )
    await world.raw.execute(
        "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'x', 'x', 'x')", world.id
    )
    for table, column in columns:
        key = "id" if table == "organizations" else "organization_id"
        if not (table == "tokens" and column == "expires_at" and value in {"-infinity", TIMES[-1]}):
            await world.raw.execute(f"UPDATE {table} SET {column} = '{value}'::timestamptz WHERE {key} = $1", world.id)
    return len(columns)


@pytest.mark.parametrize("value", TIMES)
async def test_times_that_can_not_be_read_fail_no_request(broken: Broken, value: str) -> None:
    assert await spoil(broken.world, value) >= 16
    ada, bob, eve = (As.member(broken.client, each) for each in (broken.ada, broken.bob, broken.eve))

    together = await asyncio.gather(*(each.get("/flow/pipeline") for each in (ada, bob, eve) for _ in range(5)))
    assert {answer.code for answer in together if answer.status != 401} == {"OK"}
    for route in ROUTES:
        if route.method == "GET":
            answer = await ada.get(sample_path(route.path, **broken.in_path))
            assert answer.code in {"OK", "NOT_FOUND"}, route.path
            assert "9999" not in str(answer.body).replace("59.999999Z", "")
            if "page_size" in route.places and answer.code == "OK":
                assert (await ada.get(sample_path(route.path, **broken.in_path), page_size="1")).code == "OK"


@pytest.mark.parametrize("value", ["infinity", TIMES[2], TIMES[-1]])
async def test_rows_with_such_times_can_be_changed(broken: Broken, value: str) -> None:
    for route in ROUTES:
        if route.method == "GET":
            continue
        there = await broken.anew()
        await spoil(there.world, value)
        body = sample_body(route, job_id=there.in_path["job_id"], username="bob", owner="ada")
        if body and "pipeline_ids" in body:
            body["pipeline_ids"] = [str(there.in_path["pipeline_id"])]

        answer = await As.member(there.client, there.ada)(route.method, sample_path(route.path, **there.in_path), body)

        assert answer.status < 500, (route, answer.body)
        assert answer.code != "INVALID_ARGUMENT", (route, answer.body)


@pytest.mark.parametrize("value", TIMES)
async def test_export_of_such_times_can_be_imported(broken: Broken, dsn: str, value: str) -> None:
    await spoil(broken.world, value)
    output = io.BytesIO()

    exported = await export_records(broken.dsn, output, broken.world.id)
    imported = await import_records(dsn, io.BytesIO(output.getvalue()))

    assert imported.tokens_left_out + sum(imported.records.values()) == sum(exported.records.values())


async def test_roles_permissions_and_states_of_a_newer_version_fail_no_request(broken: Broken) -> None:
    raw = broken.world.raw
    await raw.execute("UPDATE users SET role = 'auditor' WHERE id = $1", broken.bob.id)
    await raw.execute("UPDATE user_grants SET access = 64 + 7")
    await raw.execute("UPDATE group_grants SET access = 1024 + 1")
    for state in ("[1]", "1", '"x"', '{"a": 1e400}', '{"a": 12345678901234567890123}', "null"):
        await raw.execute(
            "INSERT INTO audit (organization_id, actor, action, target, before) VALUES ($1, 'x', 'x', 'x', $2)",
            broken.world.id,
            state,
        )
    ada, bob, eve = (As.member(broken.client, each) for each in (broken.ada, broken.bob, broken.eve))

    together = await asyncio.gather(*(each.get("/flow/pipeline") for each in (ada, bob, eve) for _ in range(5)))
    assert {answer.code for answer in together} == {"OK"}
    of_pipeline = f"/flow/pipeline/{broken.in_path['pipeline_id']}"
    paths = [
        "/audit",
        "/users",
        "/users/bob",
        *(f"{of_pipeline}/{each}" for each in ("grants", "access", "access/bob")),
    ]
    for path in paths:
        assert (await ada.get(path)).code == "OK", path
    assert (await bob.get("/users/me")).body["user"]["role"] == "member"


async def test_time_that_can_not_be_read_at_all_is_told_without_internals(broken: Broken) -> None:
    """What a statement would read that forgets bounded()."""
    await spoil(broken.world, TIMES[2])
    database = broken.database

    with pytest.raises(UnreadableRow, match="can't be read"):
        async with database.connection() as connection:
            await connection.fetch("test", "SELECT created_at FROM users")
    async with database.connection() as connection:
        assert await connection.fetch_one("test", "SELECT 1")
