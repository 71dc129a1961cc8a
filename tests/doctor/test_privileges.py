"""The privileges of the service's role: enough for every call (the API tests run as it), and no more."""

import asyncpg
import pytest

from service.database.migrations import migrate
from service.doctor.privileges import intended_privileges
from service.embedded.cluster import SERVICE_ROLE
from tests.factories import World
from tests.process.running import ROOT


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
    ],
)
async def test_service_role_may_not(service_dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(service_dsn)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


async def test_service_role_adds_to_the_audit_trail_and_reads_it(service_dsn: str, world: World) -> None:
    connection = await asyncpg.connect(service_dsn)

    await connection.execute(
        "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'a', 'b', 'c')", world.id
    )
    assert await connection.fetchval("SELECT count(*) FROM audit WHERE organization_id = $1", world.id) == 1
    await connection.close()


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
        await service.close()
    finally:
        await admin.execute(
            "DROP OWNED BY flow_owner, flow_migrator CASCADE; DROP ROLE flow_migrator; DROP ROLE flow_owner"
        )
        await admin.close()


def test_intended_privileges_are_read_from_the_file() -> None:
    intended = intended_privileges()

    assert {("revisions", "USAGE"), ("organizations", "UPDATE (revision)"), ("assignments", "DELETE")} <= intended
    assert {privilege for relation, privilege in intended if relation == "audit"} == {"SELECT", "INSERT"}
