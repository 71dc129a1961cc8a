"""Bulk loads: foreign keys and indexes are deferred while an empty database is filled, as they take most of the time.

They are dropped and made again in the import's own transaction, so that no other session ever sees the tables without
them; made again, each is checked, or built, for all rows at once. Dropping locks the tables against every other session
until the import ends, so it is done only where there are no rows yet that one could ask for. Unique indexes stay.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg

from service.database.connector import Raw


class Deferred(NamedTuple):
    """A constraint or an index that is deferred: the statements that drop it and make it again."""

    drop: str
    make: str


_EMPTY: Final = "SELECT NOT EXISTS (SELECT FROM organizations)"

_TABLES: Final = """
    SELECT DISTINCT f.conrelid::regclass::text
    FROM pg_constraint f
    JOIN pg_class of ON of.oid = f.conrelid
    JOIN pg_class organizations ON organizations.oid = 'organizations'::regclass
    WHERE f.contype = 'f' AND of.relnamespace = organizations.relnamespace
      AND pg_has_role(of.relowner, 'USAGE') -- a role that may write the tables need not own them
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


async def is_empty(connection: Raw) -> bool:
    """Return whether there is no organization yet.

    To be called outside of a transaction, which would hold the lock of even a SELECT until its end.
    """
    return bool(await connection.fetchval(_EMPTY))


class _NotEmpty(Exception):
    """A database that has organizations after all."""


async def defer_indexes(connection: Raw) -> Sequence[Deferred]:
    """Drop foreign keys and indexes, if there is no organization yet.

    To be called first in a transaction: a session that holds no lock yet waits for others without blocking them. Tables
    whose locks can't be had soon, or that this role does not own, keep theirs.

    Returns:
        those dropped, in the order to make them again.
    """
    tables = [row[0] for row in await connection.fetch(_TABLES)]
    try:
        async with connection.transaction():  # whose locks are released if it fails
            await connection.execute("SET LOCAL lock_timeout = '2s'")
            await connection.execute(f"LOCK TABLE {', '.join({*tables, 'organizations'})} IN ACCESS EXCLUSIVE MODE")
            if not await connection.fetchval(_EMPTY):
                raise _NotEmpty
            keys = [Deferred(*row) for row in await connection.fetch(_FOREIGN_KEYS, tables)]
            indexes = [Deferred(*row) for row in await connection.fetch(_INDEXES, tables)]
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


async def restore_indexes(connection: Raw, dropped: Sequence[Deferred]) -> None:
    """Make the dropped foreign keys and indexes again.

    Raises:
        asyncpg.ForeignKeyViolationError: a row refers to a parent that does not exist.
    """
    for each in dropped:
        await connection.execute(each.make)
