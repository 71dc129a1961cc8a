"""A serving process: two ports, signals, and a graceful shutdown that loses no request."""

import asyncio
import ctypes
import errno
import gc
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import structlog
from aiohttp import web

from service import __version__
from service.app import ADDRESSES, ADMISSION, BODIES, DISPATCHER, METRICS, STREAMS, UNSENT, create_app
from service.database.pool import Connection, Database, open_database
from service.errors import StartupError
from service.health import Health
from service.http.probes import probes_app
from service.http.server.listener import ListeningSite, UnixSite, connection_limit
from service.http.server.malformed import head_limits
from service.http.server.runner import Runner
from service.http.server.socket_file import SocketFile
from service.prometheus import Part, metrics_handler
from service.settings import Settings
from service.telemetry.logs import LOG_METRICS

if TYPE_CHECKING:
    from service.tracing import Tracing

log = structlog.get_logger()

GARBAGE_THRESHOLD: Final = 20_000
"""Objects made and not freed after which cycles are looked for among them: less than 10 MiB of them."""
MEMORY_OPTIONS: Final = {-3: 131_072, -1: 1_048_576}
"""Options of mallopt(3): bytes that are taken from the system by themselves (M_MMAP_THRESHOLD), and of freed ones that
are kept (M_TRIM_THRESHOLD)."""
READ_AHEAD: Final = 16_384
"""Bytes of a body beyond which no more is read until they are asked for; twice as many may have come."""
KEEPALIVE_TIMEOUT: Final = 75.0
"""Seconds an idle connection is kept: longer than proxies keep theirs (60 s), so that it is they who close it."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses that a process listens on."""

    api: str
    ops: str


async def _announce_nothing(_: Addresses) -> None:
    pass


async def serve(
    settings: Settings, dsn: str, announce: Callable[[Addresses], Awaitable[None]] = _announce_nothing
) -> None:
    """Serve until the process is told to end: at once by SIGINT, or by SIGTERM with the delays of the settings.

    Args:
        dsn: of the database, which may be down: the process is then not ready until it comes.
        announce: called once both ports accept connections.

    Raises:
        StartupError: a port is taken, or can't be had.
    """
    ending = _signals()
    async with AsyncExitStack() as stack:
        tracing = await stack.enter_async_context(_tracing()) if settings.tracing else None
        connection_type = tracing.connection_type if tracing else Connection
        database = await stack.enter_async_context(open_database(dsn, settings, connection_type=connection_type))
        # By a connection of its own: the database can be asked whether it answers, however many wait for the others.
        probed = await stack.enter_async_context(open_database(dsn, replace(settings, database_pool_size=1), database))
        health = Health(probed, settings.ready_timeout)
        app = create_app(settings, database, health, tracing)
        probes = probes_app(health, metrics_handler(health, counting_parts(app, database)))
        # The API last, so that it ends first: probes are answered for as long as requests are.
        _, ops = await _listen(stack, probes, settings, "OPS_PORT", settings.ops_port)
        runner, api = await _listen(stack, app, settings, "HTTP_PORT", settings.http_port)
        addresses = Addresses(api, ops)
        log.info("started", version=__version__, process=os.getpid(), api=api, operations=ops)
        await announce(addresses)
        give_memory_back()
        _collect_garbage_rarely()
        await health.reasons()  # so that the log says from the start why it can't serve, if it can't
        name = await ending
        health.stopping = True
        runner.end_connections()
        log.info("stopping", signal=name, delay=settings.shutdown_delay, drain=settings.drain_timeout)
        if name == "SIGTERM":
            await asyncio.sleep(settings.shutdown_delay)
    log.info("stopped")


def _tracing() -> "AbstractAsyncContextManager[Tracing]":
    """Return what makes and exports spans.

    Raises:
        StartupError: it is not installed.
    """
    try:
        from service.tracing import exported_traces  # noqa: PLC0415 - an extra, loaded only where traces are asked for
    except ModuleNotFoundError as error:
        raise StartupError(
            f"The environment asks for traces (OTEL_…), but {error.name} is not installed:"
            " pip install 'flow-pipelines[tracing]', or unset what asks for them."
        ) from error
    return exported_traces()


async def _listen(
    stack: AsyncExitStack, app: web.Application, settings: Settings, variable: str, port: int
) -> tuple[Runner, str]:
    """Start one application; its end stops listening first and then waits for the requests under way."""
    runner = Runner(
        app,
        settings.request_timeout,
        app.get(METRICS),
        app.get(ADMISSION),
        app.get(UNSENT),
        app.get(ADDRESSES),
        access_log=None,
        keepalive_timeout=KEEPALIVE_TIMEOUT,
        lingering_time=settings.request_timeout,
        shutdown_timeout=settings.drain_timeout,
        read_bufsize=READ_AHEAD,
        **head_limits(settings.max_url_bytes, settings.max_header_bytes),
    )
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    if variable == "HTTP_PORT" and settings.http_socket is not None:
        file = SocketFile(settings.http_socket, settings.http_socket_mode)
        site = UnixSite(runner, file, app.get(METRICS), connection_limit())
        await site.start()
        return runner, site.name
    try:
        await ListeningSite(runner, settings.http_host, port, app.get(METRICS), connection_limit()).start()
    except (OSError, UnicodeError) as error:
        raise StartupError(_why_not_listening(settings.http_host, port, variable, error)) from error
    urls = [
        f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}" for host, bound, *_ in runner.addresses
    ]
    if len(urls) > 1:
        log.info("listening", setting=variable, addresses=urls)
    return runner, urls[0]


def _why_not_listening(host: str, port: int, variable: str, error: OSError | UnicodeError) -> str:
    """Say what is wrong: the host, or the port."""
    if isinstance(error, socket.gaierror | UnicodeError):
        reason = "it is no name of a host" if isinstance(error, UnicodeError) else error.strerror
        return (
            f"HTTP_HOST is {host!a}, which can't be resolved ({reason}): set it to an address of this machine,"
            " such as 127.0.0.1, 0.0.0.0 for all of IPv4, or :: for all of both families."
        )
    if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
        return f"HTTP_HOST is {host!r}, which is no address of this machine: set it to one, such as 127.0.0.1 or ::."
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"{host}:{port} may not be listened on by this user: set {variable} to a port from 1024 on."
    return f"{host}:{port} can't be listened on ({os.strerror(error.errno or 0)}): set {variable} to another port."


def give_memory_back() -> None:
    """Have the C library take what is large from the system, and give it back once it is freed.

    By itself it raises the size from which it does so with what it has seen, up to 32 MiB: bodies and lists then lie
    between small things that stay, and the process keeps most of what it ever took at once. musl does so anyway.
    """
    with suppress(AttributeError):
        for option, size in MEMORY_OPTIONS.items():
            ctypes.CDLL(None).mallopt(option, size)


def _collect_garbage_rarely() -> None:
    """Look for cycles only among what requests left behind, and not each time that a few dozen are under way.

    Requests leave hardly any: 10,000 of them some hundred objects, measured. Python's own threshold is 700 objects more
    than were freed, which 30 requests under way exceed, and every so often it walks along all modules too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)


def counting_parts(app: web.Application, database: Database) -> tuple[Part, ...]:
    """Return the parts of a process whose metrics `/metrics` tells, beside its health."""
    return app[METRICS], app[BODIES], app[UNSENT], app[STREAMS], app[DISPATCHER], database, LOG_METRICS


def _signals() -> "asyncio.Future[str]":
    """Return the name of the first signal to come; a second one ends the process at once."""
    loop = asyncio.get_running_loop()
    first = loop.create_future()

    def told(number: signal.Signals) -> None:
        if first.done():
            os._exit(128 + number)
        first.set_result(number.name)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told, number)
    return first
