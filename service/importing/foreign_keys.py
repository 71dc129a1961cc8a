"""Foreign keys, set aside while an empty database is filled: checked row by row, they are half of an import's time.

They are dropped and made again in the import's own transaction, so that nobody ever sees the tables without them; made
again, each is checked for all rows at once. Dropping takes the tables away from everybody else until the import ends,
which is why it is done only where there is nothing yet that anybody could ask for.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg


class ForeignKey(NamedTuple):
    """A constraint and the table that it is on, their names quoted where that is needed."""

    table: str
    name: str
    definition: str


_EMPTY: Final = "SELECT NOT EXISTS (SELECT FROM organizations)"

_FOREIGN_KEYS: Final = """
    SELECT f.conrelid::regclass::text, quote_ident(f.conname), pg_get_constraintdef(f.oid)
    FROM pg_constraint f
    JOIN pg_class of ON of.oid = f.conrelid
    JOIN pg_class organizations ON organizations.oid = 'organizations'::regclass
    WHERE f.contype = 'f' AND of.relnamespace = organizations.relnamespace AND f.conparentid = 0
      AND pg_has_role(of.relowner, 'USAGE') -- who may write the tables need not own them
    ORDER BY 1, 2
"""


async def nothing_there(connection: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether there is no organization yet. Outside of a transaction: even a look locks a table until the end."""
    return bool(await connection.fetchval(_EMPTY))


class _NotEmpty(Exception):
    """There are organizations."""


async def set_aside(connection: "asyncpg.Connection[asyncpg.Record]") -> Sequence[ForeignKey]:
    """Drop the foreign keys, if there is no organization yet; returns those dropped.

    To be called first in a transaction: who holds no lock yet waits for others without being in their way. Tables that
    can't be had soon, or are not one's own, keep theirs.
    """
    keys = [ForeignKey(*row) for row in await connection.fetch(_FOREIGN_KEYS)]
    tables = ", ".join(sorted({key.table for key in keys} | {"organizations"}))
    try:
        async with connection.transaction():  # whose locks are given back if it fails
            await connection.execute("SET LOCAL lock_timeout = '2s'")
            await connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
            if not await connection.fetchval(_EMPTY):
                raise _NotEmpty
            for key in keys:
                await connection.execute(f"ALTER TABLE {key.table} DROP CONSTRAINT {key.name}")
            await connection.execute("SET LOCAL lock_timeout TO DEFAULT")
    except (
        _NotEmpty,
        asyncpg.LockNotAvailableError,
        asyncpg.DeadlockDetectedError,
        asyncpg.InsufficientPrivilegeError,
    ):
        return ()
    return keys


async def restore(connection: "asyncpg.Connection[asyncpg.Record]", dropped: Sequence[ForeignKey]) -> None:
    """Make them again.

    Raises:
        asyncpg.ForeignKeyViolationError: a row refers to what is not there.
    """
    for key in dropped:
        await connection.execute(f"ALTER TABLE {key.table} ADD CONSTRAINT {key.name} {key.definition}")
