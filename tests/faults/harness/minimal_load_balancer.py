"""A minimal load balancer, for machines without a real one: keep-alive and health checks, but no retries."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp import web

from tests.faults.harness.load_balancers import running_proxy
from tests.process.running import free_port

MODULE: Final = __name__
CHECK_INTERVAL: Final = 0.05
"""Seconds."""
FORWARDED: Final = ("Authorization", "X-Request-Id")


@contextmanager
def running_balancer(directory: Path, ports: Sequence[int]) -> Iterator[str]:
    """Run this load balancer in front of the replicas on these ports; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", MODULE, *map(str, (port, *ports))]
    with running_proxy(command, directory, port):
        yield f"http://127.0.0.1:{port}"


class Balancer:
    """A round robin over the replicas that are ready."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._addresses = [f"http://127.0.0.1:{port}" for port in ports]
        self._ready = [*self._addresses]
        self._turns = itertools.count()

    async def run(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as self._session:
            checking = asyncio.create_task(self._check())
            yield
            checking.cancel()

    async def forward(self, request: web.Request) -> web.Response:
        if not self._ready:
            return web.Response(status=503)
        address = self._ready[next(self._turns) % len(self._ready)]
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
    balancer = Balancer(ports)
    app = web.Application()
    app.cleanup_ctx.append(balancer.run)
    app.router.add_route("*", "/{path:.*}", balancer.forward)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main()
