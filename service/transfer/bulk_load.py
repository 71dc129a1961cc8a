"""Bulk loads: foreign keys, indexes and some triggers are deferred while an empty database is filled.

They take most of the time. They are dropped and made again in the import's own transaction, so that no other session
ever sees the tables without them; made again, each index is built, and each key checked, for all rows at once. Dropping
locks the tables against every other session until the import ends, so it is done only where there are no rows yet that
one could ask for. Unique indexes stay.

The triggers are switched off meanwhile, and leave nothing to make up for. They draw the revisions of rows anew, from
which caches see that something has changed; but a new row has drawn one by its column's default, and nobody has seen
it. They lock the pipelines of new grants against others, and keep the names of deleted users; of neither there are any.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg

from service.database.connector import Raw


class Deferred(NamedTuple):
    """A constraint, an index or a trigger that is deferred: the statements that drop it and make it again."""

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

_TRIGGERS: Final = """
    SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', t.tgrelid::regclass, t.tgname),
           format('ALTER TABLE %s ENABLE %s TRIGGER %I', t.tgrelid::regclass,
                  CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, t.tgname)
    FROM pg_trigger t
    JOIN pg_proc f ON f.oid = t.tgfoid
    JOIN pg_class organizations ON organizations.oid = 'organizations'::regclass
    -- By their functions: triggers that an operator has added are not this command's to switch off.
    WHERE t.tgrelid = ANY ($1::text[]::regclass[]) AND t.tgtype & 4 <> 0 AND t.tgenabled <> 'D' -- 4: on insert
      AND f.pronamespace = organizations.relnamespace AND f.proname = ANY ($2::text[])
    ORDER BY 1
"""

_NEEDLESS: Final = (
    "bump_self",
    "bump_users",
    "bump_groups",
    "bump_organization",
    "bump_organizations",
    "bump_holders_of_changed",
    "hold_pipelines",
    "reserve_username",
)
"""Functions of triggers that have nothing to do for rows which no other session has seen yet."""


async def is_empty(connection: Raw) -> bool:
    """Return whether there is no organization yet.

    To be called outside of a transaction, which would hold the lock of even a SELECT until its end.
    """
    return bool(await connection.fetchval(_EMPTY))


class _NotEmpty(Exception):
    """A database that has organizations after all."""


async def defer_indexes(connection: Raw) -> Sequence[Deferred]:
    """Drop foreign keys and indexes, and switch needless triggers off, if there is no organization yet.

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
            triggers = [Deferred(*row) for row in await connection.fetch(_TRIGGERS, tables, _NEEDLESS)]
            for each in (*keys, *indexes, *triggers):
                await connection.execute(each.drop)
            await connection.execute("SET LOCAL lock_timeout TO DEFAULT")
    except (
        _NotEmpty,
        asyncpg.LockNotAvailableError,
        asyncpg.DeadlockDetectedError,
        asyncpg.InsufficientPrivilegeError,
    ):
        return ()
    return (*indexes, *keys, *triggers)


async def restore_indexes(connection: Raw, dropped: Sequence[Deferred]) -> None:
    """Make what was dropped again.

    Raises:
        asyncpg.ForeignKeyViolationError: a row refers to a parent that does not exist.
    """
    for each in dropped:
        await connection.execute(each.make)
