"""Every time that comes in lies within bounds, by whichever way it comes, and so comes out again."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from service.database.migrations import load_migrations, migrate
from service.http.routes import ROUTES, Route
from service.permissions import EXECUTE, MANAGE_PIPELINES, MANAGER, READ
from service.schemas.fields import End, Instant
from service.schemas.request import schema_of
from service.transfer.importing import ImportRefused, import_records
from service.transfer.records import RECORD_TYPES
from service.transfer.records import _instant as instant_of_record
from tests.api.calls import As
from tests.api.sample import sample_body, sample_path
from tests.conftest import Client
from tests.factories import World
from tests.transfer.files import lines, whole

FIELDS = [
    (route, name)
    for route in ROUTES
    for name, field in schema_of(route.request).by_key.items()
    if isinstance(field, Instant)
]
ENDS = [(route, name) for route, name in FIELDS if isinstance(schema_of(route.request).by_key[name], End)]
UNBOUNDED = [
    *("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.9999999Z", "2200-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    *("1969-12-31T23:59:59Z", "infinity", "-infinity"),
]


def row(value: tuple[Route, str]) -> str:
    return f"{value[0].operation.__name__}.{value[1]}"


def test_every_time_of_a_request_has_bounds() -> None:
    """No other field takes times, and what says when something ends is told from what may have passed."""
    unlike = [
        name
        for route in ROUTES
        for name, field in schema_of(route.request).by_key.items()
        if "DateTime" in {kind.__name__ for kind in type(field).__mro__} and not isinstance(field, Instant)
    ]

    assert unlike == []
    assert {row(each) for each in FIELDS} >= {"list_audit.since", "list_audit.until"}
    assert {name for _, name in ENDS} == {"expires_at"}
    assert {name for _, name in FIELDS if name == "expires_at"} <= {name for _, name in ENDS}


async def refused(client: Client, world: World, route: Route, name: str, value: str) -> None:
    admin = As.member(client, await world.user(role="admin"))
    body = sample_body(route)
    if body is None:
        answer = await admin(route.method, sample_path(route.path), None, None, **{name: value})
    else:
        answer = await admin(route.method, sample_path(route.path), {**body, name: value})
    assert (answer.status, answer.code) == (400, "INVALID_ARGUMENT"), value
    assert [*answer.body["details"]] == [name]


@pytest.mark.parametrize("field", FIELDS, ids=row)
async def test_time_out_of_bounds_is_refused(client: Client, world: World, field: tuple[Route, str]) -> None:
    for value in UNBOUNDED:
        await refused(client, world, *field, value)


@pytest.mark.parametrize("field", ENDS, ids=row)
async def test_end_that_has_passed_is_refused(client: Client, world: World, field: tuple[Route, str]) -> None:
    for value in ("2020-01-01T00:00:00Z", datetime.now(UTC).isoformat()):
        await refused(client, world, *field, value)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("2099-01-01t02:00:00+02:00", "2099-01-01T00:00:00Z"),
        ("2099-01-01T00:00:00.12345678901234567890z", "2099-01-01T00:00:00.123456Z"),
        ("2199-12-31T23:59:59.9999999Z", "2199-12-31T23:59:59.999999Z"),
    ],
)
async def test_time_within_bounds_is_cut_to_microseconds(client: Client, world: World, sent: str, told: str) -> None:
    made = await As.member(client, await world.user())("POST", "/tokens", {"expires_at": sent})

    assert made.body["token"]["expires_at"] == told


async def columns(raw: "asyncpg.Connection[asyncpg.Record]") -> list[tuple[str, str]]:
    rows = await raw.fetch(
        """
        SELECT c.relname, a.attname FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.atttypid = 'timestamptz'::regtype
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        """
    )
    own = {("schema_migrations", "applied_at"), ("audit", "at"), ("audit_seals", "sealed_at")}
    own.add(("audit_archives", "archived_at"))
    return sorted({(each[0], each[1]) for each in rows} - own)


async def test_no_column_takes_a_time_out_of_bounds(world: World) -> None:
    """The database's own times, of the audit trail, its seals, and migrations, are no clients'."""
    ada, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, ada)
    await world.grant(pipeline, await world.group(ada))
    await world.job(ada, pipeline)
    await world.sealed_entry()
    await world.raw.execute(
        "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject)"
        " VALUES ($1, gen_random_uuid(), $2, 'https://id.example.com', $2::uuid::text)",
        *(world.id, ada.id),
    )
    provisioned = "INSERT INTO provisioned_users (organization_id, user_id) VALUES ($1, $2)"
    await world.raw.execute(provisioned, world.id, ada.id)
    provisioned = "INSERT INTO provisioned_groups (organization_id, group_id) SELECT $1, id FROM groups WHERE"
    await world.raw.execute(f"{provisioned} organization_id = $1", world.id)
    gone = await world.user("gone")
    await world.raw.execute("SELECT delete_user($1, $2)", world.id, gone.id)
    taken = []

    for table, column in await columns(world.raw):
        key = {"organizations": "id", "audit_seals": "$1::uuid"}.get(table, "organization_id")  # seals are of all
        for value in UNBOUNDED:
            try:
                async with world.raw.transaction():
                    changed = await world.raw.execute(
                        f"UPDATE {table} SET {column} = '{value}'::timestamptz WHERE {key} = $1", world.id
                    )
                    taken.append((table, column, value, changed))
                    raise asyncpg.CheckViolationError
            except asyncpg.CheckViolationError:
                pass

    assert taken == []
    assert len(await columns(world.raw)) >= 16


async def test_migration_brings_times_within_bounds(empty_dsn: str) -> None:
    """What was written before there were bounds, at worst: it counts for what it did, and can be read again."""
    await migrate(empty_dsn, migrations=load_migrations()[:4])
    raw = await asyncpg.connect(empty_dsn)
    world = await World.create(raw)
    ada, pipeline, group = await world.user(), await world.pipeline(), await world.group()
    await world.token(ada.id)
    await world.grant(pipeline, ada, READ)
    await world.grant(pipeline, group, READ)
    await raw.execute("UPDATE user_grants SET expires_at = 'infinity', updated_at = '-infinity'")
    await raw.execute("UPDATE group_grants SET expires_at = '0001-01-01T00:00:00Z'")
    await raw.execute("UPDATE tokens SET created_at = '10000-01-01T00:00:00Z'")

    await migrate(empty_dsn)

    last, first = datetime(2199, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)
    assert tuple(await raw.fetchrow("SELECT expires_at, updated_at FROM user_grants") or ()) == (last, first)
    assert await raw.fetchval("SELECT expires_at FROM group_grants") == first
    assert {tuple(row) for row in await raw.fetch("SELECT created_at, expires_at FROM tokens")} == {(last, None)}
    assert await raw.fetch("SELECT conname FROM pg_constraint WHERE NOT convalidated") == []
    await raw.close()


RECORDS = {
    **whole(),
    "deleted_user": {
        "type": "deleted_user",
        "id": str(UUID(int=1)),
        "organization_id": str(UUID(int=2)),
        "username": "eve",
    },
}
TIMES_OF_RECORDS = [
    (kind, key)
    for kind, known in RECORD_TYPES.items()
    for key, convert in {**known.required, **known.optional}.items()
    if convert is instant_of_record
]


@pytest.mark.parametrize("value", UNBOUNDED)
async def test_import_of_a_time_out_of_bounds_is_refused(dsn: str, value: str) -> None:
    assert len(TIMES_OF_RECORDS) >= 14
    for kind, key in TIMES_OF_RECORDS:
        with pytest.raises(ImportRefused, match=f"line 1: {key} must be an RFC 3339 time"):
            await import_records(dsn, lines({**RECORDS[kind], key: value}))


def grant(**more: Any) -> dict[str, Any]:
    return {"permissions": ["flow_pipeline:execute"], **more}


def rfc(moment: datetime) -> str:
    return moment.isoformat()


SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


@pytest.mark.parametrize(
    ("to_user", "to_group", "limit"),
    [
        (SOON, None, SOON),
        (None, SOON, SOON),
        (SOON, SOON + timedelta(hours=1), SOON + timedelta(hours=1)),
    ],
)
async def test_grant_ends_no_later_than_the_grantors_own_hold(
    client: Client, world: World, to_user: datetime | None, to_group: datetime | None, limit: datetime
) -> None:
    mia, max_, pipeline = await world.user("mia"), await world.user("max"), await world.pipeline()
    access = READ | EXECUTE | MANAGE_PIPELINES
    if to_user:
        await world.grant(pipeline, mia, access, to_user)
    if to_group:
        await world.grant(pipeline, await world.group(mia, name="g"), access, to_group)
    call, path = As.member(client, mia), f"/flow/pipeline/{pipeline}/grants"

    for grantee in ("users/mia", "users/max", "groups/g" if to_group else "users/max"):
        for end in (None, rfc(limit + timedelta(seconds=1))):
            answer = await call("PUT", f"{path}/{grantee}", grant(expires_at=end))
            assert answer.code == "PERMISSION_DENIED", (grantee, end)
            assert answer.body["msg"].startswith("You may not grant for longer than you hold it yourself: you hold ")
    assert (await call("PUT", f"{path}/users/max", grant(expires_at=rfc(limit)))).code == "OK"
    assert await world.raw.fetchval("SELECT expires_at FROM user_grants WHERE user_id = $1", max_.id) == limit


async def test_grant_by_a_manager_for_a_time_makes_no_manager_for_ever(client: Client, world: World) -> None:
    mia, pipeline = await world.user("mia"), await world.pipeline()
    await world.user("max")
    await world.grant(pipeline, mia, MANAGER, SOON)
    await world.grant(pipeline, await world.group(mia), READ | EXECUTE | MANAGE_PIPELINES)
    call, path = As.member(client, mia), f"/flow/pipeline/{pipeline}/grants/users/"

    assert (await call("PUT", path + "max", grant(is_manager=True))).code == "PERMISSION_DENIED"
    assert (await call("PUT", path + "mia", grant(is_manager=True))).code == "PERMISSION_DENIED"
    assert (await call("PUT", path + "max", {"permissions": ["flow_pipeline:write"]})).code == "PERMISSION_DENIED"
    assert (await call("PUT", path + "max", grant())).code == "OK", "what the group gives them for ever"
    assert (await call("PUT", path + "max", grant(is_manager=True, expires_at=rfc(SOON)))).code == "OK"


@pytest.mark.parametrize("role", ["pipeline_admin", "admin"])
async def test_grant_by_a_role_is_for_ever(client: Client, world: World, role: str) -> None:
    pam, pipeline = await world.user("pam", role=role), await world.pipeline()
    await world.grant(pipeline, pam, MANAGER, SOON)
    await world.user("max")

    answer = await As.member(client, pam)("PUT", f"/flow/pipeline/{pipeline}/grants/users/max", grant(is_manager=True))

    assert answer.code == "OK"


@pytest.mark.parametrize(
    "value",
    [
        *(
            "2030-W01-1T00:00:00Z",
            "2030-01-01T00:00:00,5Z",
            "2030-01-01T00Z",
            "2030-01-01\t00:00:00Z",
            "20300101T000000Z",
        ),
        *("2030-01-01T00:00Z", "2030-01-01", "2030-01-01T24:00:00Z", "2030-001T00:00:00Z", "٢٠٣٠-01-01T00:00:00Z"),
        *(
            "2030-01-01T00:00:00+24:00",
            "2030-01-01T00:00:00+01",
            "2030-01-01T00:00:00Z BC",
            "epoch",
            "",
            " ",
            0,
            1e300,
            [],
            {},
        ),
    ],
)
async def test_odd_time_is_refused_in_every_way_in(client: Client, world: World, dsn: str, value: Any) -> None:
    for kind, key in TIMES_OF_RECORDS:
        with pytest.raises(ImportRefused, match=f"^line 1: {key} must be an RFC 3339 time with its offset"):
            await import_records(dsn, lines({**RECORDS[kind], key: value}))
    admin = As.member(client, await world.user(role="admin"))
    for route, name in FIELDS:
        if isinstance(value, str) or route.has_body:
            await refused(client, world, route, name, value)
    assert (await admin.get("/audit", since="2030-01-01T00:00:00+15:59")).code == "OK"
