"""Statements that end the management of users and groups by provisioning, the same on both tables."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from service.database.pool import Connection


class Managed(NamedTuple):
    """A table of what provisioning manages."""

    table: str
    key: str
    """The column with the id of the user or group."""
    managed: str
    """The condition under which provisioning manages row p."""


USERS: Final = Managed("provisioned_users", "user_id", "NOT p.deprovisioned")
GROUPS: Final = Managed("provisioned_groups", "group_id", "true")


async def list_managed(connection: Connection, of: Managed, organization_id: UUID, limit: int) -> list[UUID]:
    """Return the ids of some users or groups that provisioning manages, the lowest first."""
    rows = await connection.fetch(
        "releases.list_managed",
        f"""
        SELECT p.{of.key} AS id FROM {of.table} p
        WHERE p.organization_id = $1 AND {of.managed}
        ORDER BY p.{of.key} LIMIT $2
        """,
        organization_id,
        limit,
    )
    return [row["id"] for row in rows]


async def release(connection: Connection, of: Managed, organization_id: UUID, ids: Sequence[UUID]) -> None:
    """Let provisioning manage some locked users or groups no more: they are as if it had never written them."""
    await connection.execute(
        "releases.release",
        f"DELETE FROM {of.table} p WHERE p.organization_id = $1 AND p.{of.key} = ANY ($2) AND {of.managed}",
        organization_id,
        ids,
    )
