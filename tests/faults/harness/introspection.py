"""A service that also tells what it holds: `/held` on the operations port names its tasks, and counts open files.

With LEAKING=true it is the control: a handler is cancelled when its client goes, and a transaction's connection is
given back only if all went well.
"""

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from service import process as server
from service.__main__ import main
from service.database.pool import Connection, Database
from service.http.probes import probes_app
from service.http.responses import json_response
from service.http.server.runner import Runner

MODULE: Final = __name__
"""To be run in the place of `service`."""


async def held(_: web.Request) -> web.Response:
    """Names of coroutines, a count of files, and bytes of memory."""
    tasks = sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return json_response({"tasks": tasks, **_of_system()})


def _of_system() -> dict[str, int]:
    process = Path("/proc/self")
    pages = int((process / "statm").read_text().split()[1])
    return {"files": len([*(process / "fd").iterdir()]), "memory": pages * resource.getpagesize()}


def watched(make: Callable[..., web.Application]) -> Callable[..., web.Application]:
    def made(*arguments: Any) -> web.Application:
        app = make(*arguments)
        app.router.add_get("/held", held)
        return app

    return made


@asynccontextmanager
async def naive_connection(self: Database) -> AsyncIterator[Connection]:
    """Database.connection without what it does when its unit of work does not end well."""
    raw = await self.acquire()
    yield self.connection_type(raw, self.durations)
    await self._pool.release(raw)


if __name__ == "__main__":
    setattr(server, "probes_app", watched(probes_app))  # noqa: B010 - as the module has it for itself
    if os.environ.get("LEAKING"):
        setattr(Database, "connection", naive_connection)  # noqa: B010 - as above
        setattr(server, "Runner", partial(Runner, handler_cancellation=True))  # noqa: B010 - as above
    main()
