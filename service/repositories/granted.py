"""The SQL of what is granted to a user, for statements that read pipelines in the light of it."""

import re
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from service.database.pool import Connection
from service.identity import MappedUser


def grants_of(organization_id: str, user_id: str) -> str:
    """Return the statement of the grants to a user and their groups that have not expired, given SQL for their ids."""
    return f"""
        SELECT ug.pipeline_id, ug.access, ug.expires_at
        FROM user_grants ug
        WHERE ug.organization_id = {organization_id} AND ug.user_id = {user_id}
          AND (ug.expires_at IS NULL OR ug.expires_at > now())
        UNION ALL
        SELECT gg.pipeline_id, gg.access, gg.expires_at
        FROM memberships m
        JOIN group_grants gg ON gg.organization_id = m.organization_id AND gg.group_id = m.group_id
        WHERE m.organization_id = {organization_id} AND m.user_id = {user_id}
          AND (gg.expires_at IS NULL OR gg.expires_at > now())
    """


GRANTS: Final = grants_of("$1", "$2")
"""The grants to user $2 of organization $1, and to their groups, that have not expired."""

GRANTED: Final = f"""
    SELECT g.pipeline_id, bit_or(g.access) AS access, min(g.expires_at) AS expires_at
    FROM ({GRANTS}) g
    GROUP BY g.pipeline_id
"""
"""By pipeline, the union of what is granted to user $2 of organization $1, and its first expiry."""

GRANTED_FIRST: Final = f"""
    -- MATERIALIZED: the grants are read once, for the count and for the join.
    WITH granted AS MATERIALIZED ({GRANTED}),
    -- Always one row, and the count takes all grants, whatever else there is.
    looked AS (SELECT count(*) AS up FROM granted)
"""
"""The same, read in any case: `FROM looked LEFT JOIN (...) ON looked.up >= 0`.

Were grants only read for the rows that there are, the time would tell that there are some, also to callers that may not
see them.
"""


class MappedReader:
    """A connection by which statements are read for user $2 of organization $1, with groups of an identity provider.

    It counts these as memberships, wherever a statement reads memberships; the second parameter becomes an array of the
    user and those groups.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch(self, name: str, statement: str, *values: Any) -> Any:
        """Return the rows of a statement, as `Connection.fetch` does."""
        return await self._connection.fetch(name, *_mapped(statement, *values))

    async def fetch_row(self, name: str, statement: str, *values: Any) -> Any:
        """Return the first row of a statement, as `Connection.fetch_row` does."""
        return await self._connection.fetch_row(name, *_mapped(statement, *values))

    async def fetch_one(self, name: str, statement: str, *values: Any) -> Any:
        """Return the one row of a statement, as `Connection.fetch_one` does."""
        return await self._connection.fetch_one(name, *_mapped(statement, *values))


def reading_as(connection: Connection, user_id: UUID) -> Connection | MappedReader:
    """Return what reads statements on what is granted to a user: the connection, unless claims add groups or a role."""
    return MappedReader(connection) if isinstance(user_id, MappedUser) else connection


def _mapped(statement: str, organization_id: UUID, user_id: MappedUser, *values: Any) -> tuple[Any, ...]:
    """Return a statement that counts the groups of a user, and its parameters."""
    groups = [UUID(int=user_id.int), *user_id.groups]
    return _with_mapped(statement, elevated=user_id.elevated), organization_id, groups, *values


@lru_cache(maxsize=200)
def _with_mapped(statement: str, *, elevated: bool) -> str:
    """Return a statement that takes user and groups as $2, and the role of whom it reads for one beyond a member's."""
    if elevated:
        statement = statement.replace("u.role <> 'member'", "true")
    return _MEMBERSHIPS.sub(_WITH_MAPPED, _USER.sub("($2::uuid[])[1]", statement))


_USER: Final = re.compile(r"\$2\b(?:::uuid\b)?")
_MEMBERSHIPS: Final = re.compile(r"\bmemberships m\b")
_WITH_MAPPED: Final = """(
    SELECT stored.organization_id, stored.user_id, stored.group_id FROM memberships stored
    UNION
    SELECT $1::uuid, ($2::uuid[])[1], mapped.id FROM unnest(($2::uuid[])[2:]) mapped (id)
) m"""
