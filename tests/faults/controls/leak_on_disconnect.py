"""A control: a disconnect cancels the handler, and a connection is released only if its unit of work succeeds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from service import process as server
from service.__main__ import main
from service.database.pool import Connection, Database
from service.http.server.runner import Runner
from tests.faults.harness import introspection

MODULE: Final = __name__
"""The module to run in the place of `service`."""


@asynccontextmanager
async def connection(self: Database) -> AsyncIterator[Connection]:
    """Check out a connection as Database.connection does, but release it only if the unit of work succeeds."""
    raw = await self.acquire()
    yield self.connection_type(raw, self.durations)
    await self.release(raw, None)


if __name__ == "__main__":
    introspection.install()
    setattr(Database, "connection", connection)  # noqa: B010 - of the type that it really has
    setattr(server, "Runner", partial(Runner, handler_cancellation=True))  # noqa: B010 - as the module imports it
    main()
