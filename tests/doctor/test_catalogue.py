"""The catalogue held against sql/privileges.sql: what the database has, and what is yet to be made, is stated there."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from service.database.migrations import migrate
from service.database.pool import Connection
from service.doctor.facts import read_privileges
from service.doctor.privileges import intended_privileges
from service.embedded.cluster import SERVICE_ROLE
from tests.process.running import ROOT

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LONGEST_STATEMENT = 400
"""Characters in which a statement names all columns that it sets."""


async def held_beyond(dsn: str) -> set[tuple[str, str]]:
    """Return what the service's role holds in a database, and sql/privileges.sql does not state."""
    connection = await asyncpg.connect(dsn.replace("//postgres@", f"//{SERVICE_ROLE}@"), statement_cache_size=0)
    try:
        return await read_privileges(Connection(connection)) - intended_privileges()
    finally:
        await connection.close()


@pytest.fixture(name="owner")
async def _owner(closed_dsn: str) -> AsyncIterator[Raw]:
    """Migrate a database whose owner has, by mistake, opened all that it makes to the service's role."""
    connection = await asyncpg.connect(closed_dsn)
    for place in ("", "IN SCHEMA public"):
        for things in ("TABLES", "SEQUENCES"):
            await connection.execute(f"ALTER DEFAULT PRIVILEGES {place} GRANT ALL ON {things} TO {SERVICE_ROLE}")
    yield connection
    await connection.close()


async def test_service_role_holds_what_is_stated_and_nothing_else(service_dsn: str) -> None:
    connection = await asyncpg.connect(service_dsn, statement_cache_size=0)
    held = await read_privileges(Connection(connection))
    await connection.close()

    assert held == intended_privileges()


async def test_migrate_takes_back_what_is_not_stated(closed_dsn: str) -> None:
    await migrate(closed_dsn)
    owner = await asyncpg.connect(closed_dsn)
    await owner.execute(
        f"GRANT INSERT, UPDATE (username) ON users TO {SERVICE_ROLE}; GRANT ALL ON revisions TO {SERVICE_ROLE};"
        " GRANT EXECUTE ON FUNCTION bump_members(uuid[], uuid[]), delete_user(uuid, uuid) TO PUBLIC"
    )
    opened = await held_beyond(closed_dsn)
    await migrate(closed_dsn)
    public = await owner.fetchval("SELECT has_function_privilege('public', 'delete_user(uuid, uuid)', 'EXECUTE')")
    await owner.close()

    assert {("users", "INSERT"), ("revisions", "USAGE"), ("bump_members(uuid[],uuid[])", "EXECUTE")} < opened
    assert (await held_beyond(closed_dsn), public) == (set(), False)


async def test_objects_that_are_made_after_migrate_are_closed_to_the_service(closed_dsn: str, owner: Raw) -> None:
    """Tables, columns, views and sequences, and the months of the trail, whatever the owner's defaults were before."""
    await migrate(closed_dsn)
    await owner.execute(
        """
        CREATE TABLE more (id serial, secret text);
        CREATE VIEW more_of_it AS SELECT * FROM more;
        ALTER TABLE users ADD COLUMN more text;
        ALTER TABLE jobs ADD COLUMN more text;
        ALTER TABLE audit ADD COLUMN more text;
        DO $$
        DECLARE
            last record;
        BEGIN
            SELECT * INTO last FROM audit_partitions() p WHERE p.ends IS NOT NULL ORDER BY p.ends DESC LIMIT 1;
            ALTER TABLE audit DETACH PARTITION audit_later;
            EXECUTE format('DROP TABLE %I', last.name);
            EXECUTE format(
                'ALTER TABLE audit ATTACH PARTITION audit_later FOR VALUES FROM (%L) TO (MAXVALUE)', last.begins
            );
        END $$;
        """
    )

    assert await owner.fetchval("SELECT make_audit_months()") == 1
    assert await held_beyond(closed_dsn) == set()


async def test_defaults_of_the_owner_are_told(closed_dsn: str, owner: Raw) -> None:
    """The control: without `migrate`, which takes them back, they are excess."""
    await migrate(closed_dsn)
    await owner.execute(f"ALTER DEFAULT PRIVILEGES GRANT INSERT ON TABLES TO {SERVICE_ROLE}")

    assert await held_beyond(closed_dsn) == {("tables that are yet to be made", "INSERT")}


async def test_attributes_and_memberships_of_the_role_are_told(closed_dsn: str) -> None:
    await migrate(closed_dsn)
    owner = await asyncpg.connect(closed_dsn)
    given = (
        f"GRANT SET ON PARAMETER session_replication_role TO {SERVICE_ROLE}; GRANT pg_signal_backend TO {SERVICE_ROLE};"
        f" ALTER ROLE {SERVICE_ROLE} CREATEROLE"
    )
    taken = (
        f"REVOKE SET ON PARAMETER session_replication_role FROM {SERVICE_ROLE};"
        f" REVOKE pg_signal_backend FROM {SERVICE_ROLE}; ALTER ROLE {SERVICE_ROLE} NOCREATEROLE"
    )
    await owner.execute(given)
    try:
        told = await held_beyond(closed_dsn)
    finally:
        await owner.execute(taken)
        await owner.close()

    assert told == {
        ("parameter session_replication_role", "SET"),
        ("role pg_signal_backend", "MEMBER"),
        ("this server", "CREATEROLE"),
    }


async def test_functions_that_run_by_their_owner_s_rights_have_a_fixed_search_path(raw: Raw) -> None:
    """The schema of the system first, and that of temporary objects last, where none can stand before a table."""
    functions = await raw.fetch(
        """
        SELECT p.oid::regprocedure::text AS name, c.setting AS path
        FROM pg_proc p
        LEFT JOIN LATERAL (
            SELECT setting FROM unnest(p.proconfig) AS u (setting) WHERE starts_with(u.setting, 'search_path=')
        ) c ON true
        WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
        """
    )

    assert len(functions) > 15
    assert {row["path"] for row in functions} == {"search_path=pg_catalog, public, pg_temp"}


async def test_views_show_no_more_than_their_readers_may_read(raw: Raw) -> None:
    """A view reads by its owner's rights: whatever it reads, those who may read it must be able to read anyway."""
    shown = await raw.fetch(
        """
        SELECT v.relname AS view, t.relname AS table, has_table_privilege($1, t.oid, 'SELECT') AS readable
        FROM pg_class v
        JOIN pg_rewrite r ON r.ev_class = v.oid
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        JOIN pg_class t ON d.refclassid = 'pg_class'::regclass AND t.oid = d.refobjid AND t.oid <> v.oid
        WHERE v.relkind IN ('v', 'm') AND v.relnamespace = 'public'::regnamespace
          AND has_table_privilege($1, v.oid, 'SELECT')
        """,
        SERVICE_ROLE,
    )

    assert {row["view"] for row in shown} == {"grants"}
    assert [row["table"] for row in shown if not row["readable"]] == []


def is_named(statements: str, relation: str, verb: str, column: str) -> bool:
    """Return whether one of the statements inserts, or updates, this column of the relation."""
    if verb == "INSERT":
        return bool(re.search(rf"INSERT INTO {relation}(?: AS \w+)? \([^()]*\b{column}\b[^()]*\)", statements))
    begins = rf"(?:UPDATE {relation}|INSERT INTO {relation}\b(?:(?!INSERT INTO).)*? DO UPDATE)(?: \w+)? SET "
    sets = rf"(?:(?!WHERE|UPDATE).){{0,{LONGEST_STATEMENT}}}?\b{column} ="
    return any(re.match(sets, statements[each.end() :]) for each in re.finditer(begins, statements))


def test_columns_that_are_granted_are_those_that_statements_name() -> None:
    sources = " ".join(path.read_text() for path in Path(ROOT, "service", "repositories").glob("*.py"))
    statements = re.sub(r"\s+", " ", sources.replace("{kind}", "user") + sources.replace("{kind}", "group"))
    granted = [(relation, *privilege.rstrip(")").partition(" (")[::2]) for relation, privilege in intended_privileges()]
    written = [each for each in granted if each[1] in {"INSERT", "UPDATE"}]

    assert len(written) > 80
    assert [each for each in written if not each[2] or not is_named(statements, *each)] == []
    assert not is_named(statements, "users", "INSERT", "created_at")
    assert not is_named(statements, "users", "UPDATE", "username")
