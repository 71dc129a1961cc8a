"""The application behind its own connections, in this process, and the proxies that tests put before it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiohttp import ClientSession, web
from multidict import CIMultiDict

from service.app import ADDRESSES, ADMISSION, METRICS, UNSENT, create_app
from service.database.pool import Database
from service.health import Health
from service.http.server.listener import ListeningSite
from service.http.server.malformed import head_limits
from service.http.server.runner import Runner
from service.settings import Settings

HOP_BY_HOP = ("connection", "content-length", "keep-alive", "transfer-encoding", "date", "server")


@asynccontextmanager
async def served(settings: Settings, database: Database, **changed: Any) -> AsyncIterator[str]:
    """Serve with some settings changed, as a process does; yield the address."""
    settings = replace(settings, **changed)
    app = create_app(settings, database, Health(database, 1))
    limits = head_limits(settings.max_url_bytes, settings.max_header_bytes)
    runner = Runner(
        app, 5, app[METRICS], app[ADMISSION], app[UNSENT], app[ADDRESSES], access_log=None, shutdown_timeout=1, **limits
    )
    await runner.setup()
    await ListeningSite(runner, "127.0.0.1", 0, None, 1000).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def proxied(to: str, prefix: str, *, strip: bool, headers: dict[str, str] | None = None) -> AsyncIterator[str]:
    """Run a proxy that serves what is elsewhere below a path, with some headers of its own; yield its address."""

    async def forward(request: web.Request) -> web.Response:
        target = request.raw_path.removeprefix(prefix) if strip else request.raw_path
        if not request.raw_path.startswith(prefix + "/"):
            return web.Response(status=404, text="nothing of the service is here")
        passed = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP)
        passed.update(headers or {})
        async with session.request(
            request.method, to + target, headers=passed, data=await request.read(), allow_redirects=False
        ) as answer:
            body = await answer.read()
            kept = ((name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP)
            return web.Response(status=answer.status, body=body, headers=CIMultiDict(kept))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    runner = web.AppRunner(app)
    async with ClientSession(auto_decompress=False) as session:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def exchange(url: str, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes over a connection of their own, and return status, headers by name in lower case, and body."""
    host, _, port = url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return int(first.split()[1]), headers, body
    finally:
        writer.close()
