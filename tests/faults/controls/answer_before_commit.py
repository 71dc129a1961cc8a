"""A control: a service that acknowledges a write before it is committed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from service.__main__ import main
from service.database.pool import Connection, Database

MODULE: Final = __name__
"""The module to run in the place of `service`."""
COMMIT_DELAY: Final = 0.1
"""Seconds from the answer to the commit."""

_committing: set[asyncio.Task[None]] = set()


@asynccontextmanager
async def transaction(self: Database) -> AsyncIterator[Connection]:
    """Replace Database.transaction; a background task commits."""
    context = self.connection()
    connection = await context.__aenter__()
    await connection.execute("begin", "BEGIN")
    try:
        yield connection
    except BaseException as error:
        await connection.execute("rollback", "ROLLBACK")
        await context.__aexit__(type(error), error, None)
        raise
    task = asyncio.create_task(_commit_later(connection))
    task.add_done_callback(lambda _: asyncio.ensure_future(context.__aexit__(None, None, None)))
    _committing.add(task)


async def _commit_later(connection: Connection) -> None:
    await asyncio.sleep(COMMIT_DELAY)
    await connection.execute("commit", "COMMIT")


if __name__ == "__main__":
    setattr(Database, "transaction", transaction)  # noqa: B010 - of the type that it really has
    main()
