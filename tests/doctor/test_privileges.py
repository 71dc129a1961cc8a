"""The privileges of the service's role: enough for every call (the API tests run as it), and no more."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.database.migrations import migrate
from service.doctor.privileges import intended_privileges
from service.embedded.cluster import SERVICE_ROLE
from tests.commands.forked import run
from tests.factories import Member, World
from tests.process.running import ROOT

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ROW = "INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target) VALUES ($1, $2, $3, $4, 'a', 'b')"


@pytest.fixture(name="service")
async def _service(service_dsn: str) -> AsyncIterator[Raw]:
    connection = await asyncpg.connect(service_dsn, statement_cache_size=0)
    yield connection
    await connection.close()


async def token_of(world: World, member: Member) -> UUID:
    token_id: UUID = await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", member.id)
    return token_id


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'other'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DELETE FROM users",
        "DELETE FROM tokens",
        "DELETE FROM organizations",
        "UPDATE organizations SET name = 'x'",
        "UPDATE schema_migrations SET checksum = 'x'",
        "CREATE TABLE mine (id int)",
        "DROP TABLE audit",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "DROP TRIGGER attest_on_insert ON audit",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION attest_audit_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "INSERT INTO audit (organization_id, at, actor, action, target)"
        " SELECT id, now(), 'a', 'b', 'c' FROM organizations",
        "INSERT INTO audit (id, organization_id, actor, action, target) OVERRIDING SYSTEM VALUE"
        " SELECT 1, id, 'a', 'b', 'c' FROM organizations",
        "SELECT setval('audit_id_seq', 1)",
        "UPDATE tokens SET user_id = user_id",
        "UPDATE tokens SET digest = digest",
        "UPDATE tokens SET scopes = NULL",
        "UPDATE tokens SET created_at = now()",
        "INSERT INTO tokens (organization_id, id, user_id, digest, created_at)"
        " SELECT organization_id, gen_random_uuid(), id, sha256('x'), '2020-01-01' FROM users",
        *(f"INSERT INTO {table} DEFAULT VALUES" for table in ("organizations", "deleted_users", "timelines")),
        "INSERT INTO users (organization_id, id, username, role, created_at)"
        " SELECT id, gen_random_uuid(), 'x', 'admin', '2020-01-01' FROM organizations",
        "INSERT INTO users (organization_id, id, username, revision) SELECT id, id, 'x', 1 FROM organizations",
        "INSERT INTO users (organization_id, id, username, disabled) SELECT id, id, 'x', true FROM organizations",
        "INSERT INTO groups (organization_id, id, name, revision) SELECT id, id, 'x', 1 FROM organizations",
        "INSERT INTO jobs (organization_id, id, owner_id, created_at)"
        " SELECT organization_id, 'x', id, '2020-01-01' FROM users",
        "INSERT INTO jobs (organization_id, id, owner_id, revision) SELECT organization_id, 'x', id, 9 FROM users",
        "INSERT INTO assignments (organization_id, job_id, pipeline_id, position, assigned_at)"
        " SELECT j.organization_id, j.id, p.id, 1, '2020-01-01' FROM jobs j JOIN pipelines p USING (organization_id)",
        "INSERT INTO pipelines (organization_id, id, name, name_key, created_at)"
        " SELECT id, id, 'x', 'x', '2020-01-01' FROM organizations",
        "INSERT INTO audit_earlier (organization_id, id, actor, action, target)"
        " SELECT id, 1, 'a', 'b', 'c' FROM organizations",
        "SELECT nextval('revisions')",
        "SELECT bump_members('{}', '{}')",
        "SELECT merkle_root('')",
        "COPY users (organization_id, id, username, role) FROM '/etc/hostname'",
        "COPY users (username) TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/hostname')",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "UPDATE users SET username = 'x'",
        "UPDATE users SET revision = 1",
        "UPDATE groups SET revision = 1",
        "UPDATE organizations SET revision = 1",
        "UPDATE memberships SET user_id = user_id",
        "UPDATE user_grants SET user_id = user_id",
        "UPDATE jobs SET organization_id = organization_id",
        "CREATE TEMP TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "SELECT lo_creat(-1)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT lo_import('/etc/hostname')",
    ],
)
async def test_service_role_may_not(service: Raw, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(statement)


async def test_service_role_writes_no_table_as_a_whole(service: Raw) -> None:
    whole = await service.fetch(
        "SELECT relname FROM pg_class WHERE relname = ANY ($1) AND relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p', 'v') AND has_table_privilege(oid, 'INSERT, UPDATE')",
        [relation for relation, _ in intended_privileges()],
    )

    assert whole == []


async def test_service_role_adds_to_the_audit_trail_and_reads_it(service: Raw, world: World) -> None:
    ada = await world.user("ada")

    await service.execute(ROW, world.id, ada.id, "ada", await token_of(world, ada))

    assert await service.fetchval("SELECT count(*) FROM audit WHERE organization_id = $1", world.id) == 1


async def test_audit_rows_of_the_service_have_the_database_s_time_and_name(service: Raw, world: World) -> None:
    """However long the transaction has been open, and whatever name came."""
    ada = await world.user("ada")
    token_id = await token_of(world, ada)

    async with service.transaction():
        begun = await service.fetchval("SELECT now()")
        await service.execute("SELECT pg_sleep(0.05)")
        await service.execute(ROW, world.id, ada.id, "mo", token_id)

    row = await world.raw.fetchrow("SELECT actor, at FROM audit WHERE organization_id = $1", world.id)
    assert row is not None
    assert (row["actor"], (row["at"] - begun).total_seconds() > 0.04) == ("ada", True)


@pytest.mark.parametrize("forged", ["nobody", "no token", "no user", "another's token", "unknown token", "elsewhere"])
async def test_audit_rows_of_the_service_are_refused_unless_the_token_is_the_user_s(
    service: Raw, world: World, raw: Raw, forged: str
) -> None:
    ada, mo = await world.user("ada"), await world.user("mo")
    mine, elsewhere = await token_of(world, ada), await World.create(raw)
    organization_id, user_id, token_id = {
        "nobody": (world.id, None, None),
        "no token": (world.id, ada.id, None),
        "no user": (world.id, None, mine),
        "another's token": (world.id, mo.id, mine),
        "unknown token": (world.id, ada.id, uuid4()),
        "elsewhere": (elsewhere.id, ada.id, mine),
    }[forged]

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(ROW, organization_id, user_id, "ada", token_id)


ENDED = {
    "revoked": "revoked_at = now() - interval '1 minute'",
    "expired": "expires_at = now() - interval '1 minute'",
}


@pytest.mark.parametrize("ended", ENDED)
async def test_audit_rows_of_the_service_are_refused_by_a_token_that_had_ended(
    service: Raw, world: World, ended: str
) -> None:
    ada = await world.user("ada")
    token_id = await token_of(world, ada)
    await world.raw.execute(f"UPDATE tokens SET {ENDED[ended]} WHERE id = $1", token_id)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(ROW, world.id, ada.id, "ada", token_id)


@pytest.mark.parametrize(
    "prolonged",
    [
        "revoked_at = NULL",
        "expires_at = NULL",
        "expires_at = expires_at + interval '1 second'",
        "revoked_at = NULL, expires_at = NULL, last_used_at = now()",
    ],
)
async def test_service_role_brings_no_token_back_and_prolongs_none(service: Raw, world: World, prolonged: str) -> None:
    ada = await world.user("ada")
    token_id = await token_of(world, ada)
    await world.raw.execute(
        "UPDATE tokens SET revoked_at = now(), expires_at = now() + interval '1 day' WHERE id = $1", token_id
    )

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="none is prolonged"):
        await service.execute(f"UPDATE tokens SET {prolonged} WHERE id = $1", token_id)
    await world.raw.execute(f"UPDATE tokens SET {prolonged} WHERE id = $1", token_id)  # which its owner may


async def test_revocation_by_the_service_is_dated_by_the_database_once(service: Raw, world: World) -> None:
    ada = await world.user("ada")
    token_id = await token_of(world, ada)

    await service.execute("UPDATE tokens SET revoked_at = '2020-01-01' WHERE id = $1", token_id)
    first = await world.raw.fetchval("SELECT revoked_at FROM tokens WHERE id = $1", token_id)
    await service.execute("UPDATE tokens SET revoked_at = '2021-01-01' WHERE id = $1", token_id)

    assert await world.raw.fetchval("SELECT now() - $1 < interval '1 minute'", first)
    assert await world.raw.fetchval("SELECT revoked_at FROM tokens WHERE id = $1", token_id) == first


DATED = {
    "pipelines": ("updated_at", "description = 'x'"),
    "user_grants": ("updated_at", "access = 5"),
    "group_grants": ("updated_at", "access = 5"),
    "provisioned_users": ("changed_at", "external_id = 'x'"),
    "provisioned_groups": ("changed_at", "external_id = 'x'"),
}


@pytest.mark.parametrize("table", DATED)
async def test_changes_by_the_service_are_dated_by_the_database(service: Raw, world: World, table: str) -> None:
    """Whatever time the statement sets, and where it sets none."""
    ada, group, pipeline = await world.user("ada"), await world.group(), await world.pipeline()
    await world.grant(pipeline, ada)
    await world.grant(pipeline, group)
    await world.raw.execute(
        "INSERT INTO provisioned_users (organization_id, user_id) VALUES ($1, $2)", world.id, ada.id
    )
    await world.raw.execute(
        "INSERT INTO provisioned_groups (organization_id, group_id) VALUES ($1, $2)", world.id, group
    )
    column, change = DATED[table]
    age = f"SELECT now() - {column} < interval '1 minute' FROM {table} WHERE organization_id = $1"
    told = []

    for change_it in (change, f"{column} = '2020-01-01'", f"{column} = '2199-01-01'"):
        await world.raw.execute(f"UPDATE {table} SET {column} = '2021-01-01' WHERE organization_id = $1", world.id)
        assert await world.raw.fetchval(age, world.id) is False, "its owner dates it as an import does"
        await service.execute(f"UPDATE {table} SET {change_it} WHERE organization_id = $1", world.id)
        told.append(await world.raw.fetchval(f"{age} AND {column} <= clock_timestamp()", world.id))

    assert told == [True, True, True]


@pytest.mark.parametrize("table", ["tokens", "identity_links"])
async def test_last_use_by_the_service_only_comes_later_and_not_beyond_the_present(
    service: Raw, world: World, table: str
) -> None:
    ada = await world.user("ada")
    link = "INSERT INTO identity_links (organization_id, id, user_id, issuer, subject) VALUES ($1, $2, $3, 'i', $4)"
    await world.raw.execute(link, world.id, uuid4(), ada.id, str(ada.id))
    use = f"UPDATE {table} SET last_used_at = $2::timestamptz WHERE organization_id = $1"
    seconds = f"SELECT abs(extract(epoch FROM now() - last_used_at)) FROM {table} WHERE organization_id = $1"
    now = await service.fetchval("SELECT now()")

    used = []
    for at in (now - timedelta(hours=1), now - timedelta(hours=2), None, now + timedelta(hours=1)):
        await service.execute(use, world.id, at)
        used.append(round(await world.raw.fetchval(seconds, world.id), -2))

    assert used == [3600, 3600, 3600, 0]


async def test_token_of_a_link_is_not_taken_from_it_by_the_service(service: Raw, world: World) -> None:
    ada = await world.user("ada")
    token_id, link_id = await token_of(world, ada), uuid4()
    change = "UPDATE tokens SET link_id = $2 WHERE id = $1"

    await service.execute(change, token_id, link_id)
    for other in (None, uuid4()):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="goes with no other"):
            await service.execute(change, token_id, other)

    await service.execute(change, token_id, link_id)
    await world.raw.execute(change, token_id, None)  # which its owner may


async def test_audit_rows_of_the_owner_are_taken_as_they_are(world: World) -> None:
    """Commands are no user; and a restore brings rows of users that were renamed, or are gone."""
    await world.raw.execute(ROW, world.id, None, "command line", None)
    await world.raw.execute(ROW, world.id, uuid4(), "once", uuid4())

    rows = await world.raw.fetch("SELECT actor FROM audit WHERE organization_id = $1 ORDER BY id", world.id)
    assert [row["actor"] for row in rows] == ["command line", "once"]


async def test_audit_trigger_fires_always(raw: Raw) -> None:
    """On the trail, and on each of its months."""
    rows = await raw.fetch("SELECT tgenabled FROM pg_trigger WHERE tgname = 'attest_on_insert'")
    assert len(rows) > 4
    assert {row["tgenabled"] for row in rows} == {b"A"}


async def test_triggers_work_by_the_rights_of_their_owner(raw: Raw) -> None:
    """All but the one that tells who inserts; with a fixed search path, and for nothing but the owner's triggers."""
    functions = await raw.fetch(
        """
        SELECT p.proname, p.prosecdef, p.proconfig, has_function_privilege('flow_service', p.oid, 'EXECUTE') AS callable
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prorettype = 'trigger'::regtype
        """
    )

    path = "search_path=pg_catalog, public, pg_temp"
    assert {name for name, definer, config, _ in functions if not (definer and path in (config or []))} == {
        "attest_audit_row"
    }
    assert [name for name, _, _, callable_ in functions if callable_] == []


async def test_command_that_changes_something_by_the_service_s_role_says_which_one_may(
    service_dsn: str, world: World
) -> None:
    done = run("user", "create", "mo", "--organization", str(world.id), DATABASE_URL=service_dsn)

    assert done.returncode == 2
    assert "commands that change something connect as flow_migrator" in done.stderr


async def test_roles_file_and_migrate_make_the_owner_own_the_tables(empty_dsn: str) -> None:
    """deploy/roles.sql as it stands, then `migrate` by the role flow_migrator: what that made is flow_owner's."""
    admin = await asyncpg.connect(empty_dsn)
    script = (ROOT / "deploy" / "roles.sql").read_text()
    existing = await admin.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", SERVICE_ROLE)
    assert existing == 1, "the embedded server has it"
    await admin.execute("DROP ROLE IF EXISTS flow_migrator; DROP ROLE IF EXISTS flow_owner")
    await admin.execute(script)
    try:
        await migrate(empty_dsn.replace("//postgres@", "//flow_migrator@"))

        owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
        assert await admin.fetchval(owners) == "flow_owner"
        service = await asyncpg.connect(empty_dsn.replace("//postgres@", "//flow_service@"))
        assert await service.fetchval("SELECT count(*) FROM audit") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute("CREATE TEMP TABLE mine (id int)")
        for made in ("lo_creat(-1)", "lo_create(0)", "lo_from_bytea(0, 'x')"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(f"SELECT {made}")
        await service.close()
        line = '{"type": "organization", "id": "8c400d55-15d4-41f9-b306-ec2836898d83", "name": "Acme"}'
        imported = run("import", "-", given=line, DATABASE_URL=empty_dsn.replace("//postgres@", "//flow_migrator@"))
        assert imported.returncode == 0, imported.stderr
        examined = run("doctor", DATABASE_URL=empty_dsn.replace("//postgres@", "//flow_migrator@"))
        assert (examined.returncode, examined.stderr) == (1, "")
        assert "wrong    role               flow_owner" in examined.stdout
        await admin.execute("CREATE ROLE stranger LOGIN")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(empty_dsn.replace("//postgres@", "//stranger@"))
    finally:
        await admin.execute("DROP ROLE IF EXISTS stranger")
        await admin.execute(
            "DROP OWNED BY flow_owner, flow_migrator CASCADE; DROP ROLE flow_migrator; DROP ROLE flow_owner"
        )
        await admin.close()


def test_intended_privileges_are_read_from_the_file() -> None:
    intended = intended_privileges()

    assert {("audit_id_seq", "USAGE"), ("assignments", "UPDATE (position)"), ("assignments", "DELETE")} <= intended
    columns = ("organization_id", "actor_id", "actor", "token_id", "action", "target", "before", "after", "request_id")
    assert {privilege for relation, privilege in intended if relation == "audit"} == {
        "SELECT",
        *(f"INSERT ({column})" for column in columns),
    }
