"""A proxy of few lines, where there is no real one: keeps connections, asks who is ready, and tries nothing twice."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from tests.faults.harness.load_balancers import running
from tests.process.running import free_port

CHECK_INTERVAL: Final = 0.05
FORWARDED: Final = ("Authorization", "X-Request-Id")


@contextmanager
def balancer(directory: Path, ports: Sequence[int]) -> Iterator[str]:
    """This before the replicas on these ports: its address."""
    port = free_port()
    command = [sys.executable, "-m", "tests.faults.harness.minimal_balancer", *map(str, (port, *ports))]
    with running(command, directory, port):
        yield f"http://127.0.0.1:{port}"


class Balancer:
    """Sends each request to the next replica that is ready."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._addresses = [f"http://127.0.0.1:{port}" for port in ports]
        self._ready = [*self._addresses]
        self._numbers = itertools.count()

    async def work(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._session:
            checking = asyncio.create_task(self._check())
            yield
            checking.cancel()

    async def forward(self, request: web.Request) -> web.Response:
        if not self._ready:
            return web.Response(status=503)
        address = self._ready[next(self._numbers) % len(self._ready)]
        headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
        try:
            async with self._session.request(
                request.method, address + request.path_qs, data=await request.read(), headers=headers
            ) as answer:
                return web.Response(status=answer.status, body=await answer.read())
        except (aiohttp.ClientError, OSError):
            return web.Response(status=502)

    async def _check(self) -> None:
        while True:
            ready = []
            for address in self._addresses:
                with suppress(aiohttp.ClientError, OSError):
                    async with self._session.get(f"{address}/healthz") as answer:
                        if answer.status == 200:
                            ready.append(address)
            self._ready = ready
            await asyncio.sleep(CHECK_INTERVAL)


def main() -> None:
    port, *ports = map(int, sys.argv[1:])
    made = Balancer(ports)
    app = web.Application()
    app.cleanup_ctx.append(made.work)
    app.router.add_route("*", "/{path:.*}", made.forward)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main()
