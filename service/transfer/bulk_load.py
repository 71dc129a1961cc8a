"""Foreign keys and indexes, set aside while an empty database is filled: kept up row by row, they are most of the time.

They are dropped and made again in the import's own transaction, so that nobody ever sees the tables without them; made
again, each is checked, or built, for all rows at once. Dropping takes the tables away from everybody else until the
import ends, which is why it is done only where there is nothing yet that anybody could ask for. What makes rows unique
stays.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg


class SetAside(NamedTuple):
    """A constraint or an index: the statements that drop it and make it again."""

    drop: str
    make: str


_EMPTY: Final = "SELECT NOT EXISTS (SELECT FROM organizations)"

_TABLES: Final = """
    SELECT DISTINCT f.conrelid::regclass::text
    FROM pg_constraint f
    JOIN pg_class of ON of.oid = f.conrelid
    JOIN pg_class organizations ON organizations.oid = 'organizations'::regclass
    WHERE f.contype = 'f' AND of.relnamespace = organizations.relnamespace
      AND pg_has_role(of.relowner, 'USAGE') -- who may write the tables need not own them
    ORDER BY 1
"""

_FOREIGN_KEYS: Final = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', f.conrelid::regclass, f.conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', f.conrelid::regclass, f.conname, pg_get_constraintdef(f.oid))
    FROM pg_constraint f
    WHERE f.contype = 'f' AND f.conrelid = ANY ($1::text[]::regclass[]) AND f.conparentid = 0
    ORDER BY 1
"""

_INDEXES: Final = """
    SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
    FROM pg_index i
    WHERE i.indrelid = ANY ($1::text[]::regclass[]) AND NOT i.indisunique
    ORDER BY 1
"""


async def nothing_there(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether there is no organization yet. Outside of a transaction: even a look locks a table until the end."""
    return bool(await connection.fetchval(_EMPTY))


class _NotEmpty(Exception):
    """There are organizations."""


async def defer_indexes(connection: "asyncpg.Connection[asyncpg.Record]") -> Sequence[SetAside]:
    """Drop foreign keys and indexes, if there is no organization yet; returns those dropped, in the order to make them.

    To be called first in a transaction: who holds no lock yet waits for others without being in their way. Tables that
    can't be had soon, or are not one's own, keep theirs.
    """
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    try:
        async with connection.transaction():  # whose locks are given back if it fails
            await connection.execute("SET LOCAL lock_timeout = '2s'")
            await connection.execute(f"LOCK TABLE {', '.join({*tables, 'organizations'})} IN ACCESS EXCLUSIVE MODE")
            if not await connection.fetchval(_EMPTY):
                raise _NotEmpty
            keys = [SetAside(*row) for row in await connection.fetch(_FOREIGN_KEYS, tables)]
            indexes = [SetAside(*row) for row in await connection.fetch(_INDEXES, tables)]
            for each in (*keys, *indexes):
                await connection.execute(each.drop)
            await connection.execute("SET LOCAL lock_timeout TO DEFAULT")
    except (
        _NotEmpty,
        asyncpg.LockNotAvailableError,
        asyncpg.DeadlockDetectedError,
        asyncpg.InsufficientPrivilegeError,
    ):
        return ()
    return (*indexes, *keys)


async def restore(connection: "asyncpg.Connection[asyncpg.Record]", dropped: Sequence[SetAside]) -> None:
    """Make them again.

    Raises:
        asyncpg.ForeignKeyViolationError: a row refers to what is not there.
    """
    for each in dropped:
        await connection.execute(each.make)
