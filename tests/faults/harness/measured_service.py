"""A service whose loop is measured: `GET /stall` on its operations port tells the longest stall since the last time.

A stall is the processor time of the loop's thread from one turn of a heartbeat to the next: what this process did
meanwhile, whatever else the machine had to do.
"""

import asyncio
import os
from pathlib import Path
from time import thread_time
from typing import Any, Final

from aiohttp import web

from service import errors, process, slices
from service.__main__ import main
from service.http import probes, reader
from service.operations import dispatcher
from service.repositories import audit, jobs
from service.schemas.fields import BoundedList

MODULE: Final = __name__
"""The module to run in the place of `service`."""
WITHOUT: Final = "WITHOUT_CEILING"
"""The variable that takes the bounds out, for the control."""

HEARTBEAT: Final = 0.001
"""Seconds between two turns of the heartbeat."""


class Heart:
    """Measures stalls, and the most memory."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._last = 0.0

    async def begin(self, _: web.Application) -> None:
        self._last = thread_time()
        asyncio.get_running_loop().call_later(HEARTBEAT, self._beat)

    def _beat(self) -> None:
        now = thread_time()
        self.longest, self._last = max(self.longest, now - self._last), now
        asyncio.get_running_loop().call_later(HEARTBEAT, self._beat)

    async def tell(self, _: web.Request) -> web.Response:
        """Tell the longest stall in seconds, and the most memory in bytes, and begin anew."""
        longest, self.longest = self.longest, 0.0
        return web.json_response({"stall": longest, **_memory()})


def _memory() -> dict[str, int]:
    """Return the bytes that the process takes, and took at most since this was asked last."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    Path("/proc/self/clear_refs").write_text("5")  # begins VmHWM anew
    return {name: int(status[key].split()[0]) * 1024 for name, key in {"peak": "VmHWM", "now": "VmRSS"}.items()}


def measure() -> None:
    """Replace what makes the operations port's application."""
    heart, made = Heart(), probes.probes_app

    def probes_app(*arguments: Any) -> web.Application:
        app = made(*arguments)
        app.router.add_get("/stall", heart.tell)
        app.on_startup.append(heart.begin)
        return app

    setattr(process, "probes_app", probes_app)  # noqa: B010 - which it has imported


def take_bounds_out() -> None:
    """Let everything be looked at, at once, however much it is."""
    unbounded = 10**9
    for module, name in (
        *((reader, "SMALL_BODY"), (reader, "MAX_KEYS"), (reader, "MAX_DEPTH"), (reader, "MAX_DIGITS")),
        (errors, "MOST_TOLD"),
        *((slices, "SLICE"), (dispatcher, "SLICE"), (jobs, "MAX_PIPELINES_OF_JOBS"), (audit, "MAX_PAGE_BYTES")),
    ):
        setattr(module, name, unbounded)
    BoundedList._deserialize = BoundedList._read  # type: ignore[method-assign] # it is replaced


if __name__ == "__main__":
    measure()
    if WITHOUT in os.environ:
        take_bounds_out()
    main()
