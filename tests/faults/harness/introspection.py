"""A service that also reports its own resources: `/held` on the operations port has its tasks, files and memory."""

import asyncio
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from service import process as server
from service.__main__ import main
from service.http.probes import probes_app
from service.http.responses import json_response

MODULE: Final = __name__
"""The module to run in the place of `service`."""


async def held(_: web.Request) -> web.Response:
    """Return the names of coroutines, the count of open files, and the bytes of memory."""
    tasks = sorted(getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return json_response({"tasks": tasks, **_of_system()})


def _of_system() -> dict[str, int]:
    process = Path("/proc/self")
    pages = int((process / "statm").read_text().split()[1])
    return {"files": len([*(process / "fd").iterdir()]), "memory": pages * resource.getpagesize()}


def _with_held(create: Callable[..., web.Application]) -> Callable[..., web.Application]:
    def create_with_held(*arguments: Any) -> web.Application:
        app = create(*arguments)
        app.router.add_get("/held", held)
        return app

    return create_with_held


def install() -> None:
    """Add `/held` to the operations port of this process."""
    setattr(server, "probes_app", _with_held(probes_app))  # noqa: B010 - of the type that it really has


if __name__ == "__main__":
    install()
    main()
