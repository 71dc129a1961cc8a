"""A serving process: two ports, signals, and a graceful shutdown that loses no request."""

import asyncio
import ctypes
import errno
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog
from aiohttp import web

from service.app import (
    ADDRESSES,
    ADMISSION,
    AUDIT_MONTHS,
    BODIES,
    DISPATCHER,
    KEPT_MESSAGES,
    METRICS,
    REQUEST_LOG,
    SEALER,
    STREAMS,
    TOKEN_USE,
    UNSENT,
    create_app,
)
from service.database.pool import Connection, Database, open_database
from service.doctor.effective import effective_settings, summarize_settings
from service.errors import StartupError
from service.health import Health
from service.http.probes import probes_app
from service.http.server.listener import ListeningSite, SharedSite, UnixSite, connection_limit
from service.http.server.malformed import head_limits
from service.http.server.runner import Runner
from service.http.server.socket_file import SocketFile
from service.prometheus import Part, metrics_handler
from service.settings import Settings
from service.telemetry.logs import LOG_METRICS, Summarized
from service.values.masked import masked
from service.version import __version__

if TYPE_CHECKING:
    from service.grpc.server import GrpcServer
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
    grpc: str | None = None
    """None if there is none."""


class Watch(Protocol):
    """The watch that another process keeps over this one, one of several workers."""

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """The sockets that all workers accept connections from."""

    def ending(self) -> Awaitable[str]:
        """Return the name of the signal to end by: SIGHUP where another worker takes this one's place."""

    async def served(self, health: Health, parts: Sequence[Part]) -> None:
        """Tell the other process that requests are accepted, and answer what it asks of health and metrics."""

    async def ended(self) -> None:
        """Tell the other process what has been counted in the end."""


async def _announce_nothing(_: Addresses) -> None:
    pass


async def serve(
    settings: Settings,
    dsn: str,
    announce: Callable[[Addresses], Awaitable[None]] = _announce_nothing,
    watch: Watch | None = None,
) -> None:
    """Serve until the process is told to end: at once by SIGINT, by SIGTERM or SIGHUP with the settings' delays.

    Args:
        dsn: of the database, which may be down: the process is then not ready until it comes.
        announce: called once both ports accept connections.
        watch: of the process that this one is a worker of, and that has the operations port; None: it is alone.

    Raises:
        StartupError: a port is taken, or can't be had.
    """
    ending = watch.ending() if watch else end_by_signals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    async with AsyncExitStack() as stack:
        tracing = await stack.enter_async_context(_tracing()) if settings.tracing else None
        connection_type = tracing.connection_type if tracing else Connection
        database = await stack.enter_async_context(open_database(dsn, settings, connection_type=connection_type))
        # By a connection of its own: the database can be asked whether it answers, however many wait for the others.
        probed = await stack.enter_async_context(open_database(dsn, replace(settings, database_pool_size=1), database))
        health = Health(probed, settings.ready_timeout)
        app = create_app(settings, database, health, tracing)
        parts = counting_parts(app, database)
        # The API last, so that it ends first: probes are answered for as long as requests are.
        grpc = None
        if watch:
            stack.push_async_callback(watch.ended)
            runner = await _accept_shared(stack, app, settings, watch.sockets)
            await watch.served(health, parts)
        else:
            probes = probes_app(health, metrics_handler(health, parts))
            _, ops = await listen(stack, probes, settings, "OPS_PORT", settings.ops_port)
            serving = await stack.enter_async_context(_ended_together())
            runner, api = await listen(serving[0], app, settings, "HTTP_PORT", settings.http_port)
            if settings.grpc_port is not None:
                grpc = await _listen_grpc(serving[1], app, settings, health, tracing)
            addresses = Addresses(api, ops, grpc.address if grpc else None)
            log_started(settings, addresses)
            await announce(addresses)
        give_memory_back()
        _collect_garbage_rarely()
        await health.reasons()  # so that the log says from the start why it can't serve, if it can't
        name = await ending
        health.stopping = True
        runner.end_connections()
        if grpc:
            grpc.drain()
        delay = 0.0 if name == "SIGINT" else settings.shutdown_delay
        log.info("stopping", signal=name, delay=delay, drain=settings.drain_timeout)
        if watch and name == "SIGHUP":
            await runner.stop_listening()  # others accept what comes
        if delay:
            await asyncio.sleep(delay)
    log.info("stopped")


@asynccontextmanager
async def _ended_together() -> AsyncIterator[tuple[AsyncExitStack, AsyncExitStack]]:
    """Yield the stacks of two servers, which end at the same time, so that neither's calls wait for the other's."""
    servers = AsyncExitStack(), AsyncExitStack()
    try:
        yield servers
    finally:
        await asyncio.gather(*(server.aclose() for server in servers))


async def _listen_grpc(
    stack: AsyncExitStack, app: web.Application, settings: Settings, health: Health, tracing: "Tracing | None"
) -> "GrpcServer":
    """Start the gRPC server.

    Raises:
        StartupError: it is not installed, its port can't be had, or its certificate can't be used.
    """
    try:
        from service.grpc.calls import Parts  # noqa: PLC0415 - an extra, loaded only where its port is set
        from service.grpc.server import GrpcServer  # noqa: PLC0415 - as above
    except ModuleNotFoundError as error:
        raise StartupError(
            f"GRPC_PORT is set, but {error.name} is not installed:"
            " pip install 'flow-pipelines[grpc]', or unset GRPC_PORT."
        ) from error
    parts = Parts(
        app[DISPATCHER],
        app[ADMISSION],
        app[BODIES],
        app[UNSENT],
        app[ADDRESSES],
        app[METRICS],
        app[REQUEST_LOG],
        app[KEPT_MESSAGES],
        app[STREAMS],
    )
    server = GrpcServer(settings, parts, health, tracing.rpc_span if tracing else None)
    await server.start()
    stack.push_async_callback(app[TOKEN_USE].write)  # of the calls that end after those by HTTP
    stack.push_async_callback(server.stop)
    return server


def _tracing() -> "AbstractAsyncContextManager[Tracing]":
    """Return what makes and exports spans.

    Raises:
        StartupError: it is not installed, or does not take its settings.
    """
    try:
        from service.tracing import exported_traces  # noqa: PLC0415 - an extra, loaded only where traces are asked for
    except ModuleNotFoundError as error:
        raise StartupError(
            f"The environment asks for traces (OTEL_…), but {error.name} is not installed:"
            " pip install 'flow-pipelines[tracing]', or unset what asks for them."
        ) from error
    except ValueError as error:  # of settings that are read as the module is loaded
        raise StartupError(f"OpenTelemetry does not take a setting of its own (OTEL_…): {error}") from error
    return exported_traces()


def log_started(settings: Settings, addresses: Addresses) -> None:
    """Log that requests are accepted, and by which settings."""
    told = {"grpc": addresses.grpc} if addresses.grpc else {}
    log.info(
        "started",
        version=__version__,
        process=os.getpid(),
        api=addresses.api,
        operations=addresses.ops,
        **told,
        traces=settings.tracing,
        settings=Summarized(effective_settings(settings), summarize_settings(settings)),
    )


async def _run_app(stack: AsyncExitStack, app: web.Application, settings: Settings) -> Runner:
    """Start an application; its end stops listening first and then waits for the requests under way."""
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
    return runner


async def _accept_shared(
    stack: AsyncExitStack, app: web.Application, settings: Settings, sockets: Sequence[socket.socket]
) -> Runner:
    """Start an application at sockets that other processes share."""
    runner = await _run_app(stack, app, settings)
    await SharedSite(runner, sockets, app.get(METRICS), connection_limit()).start()
    return runner


async def listen(
    stack: AsyncExitStack, app: web.Application, settings: Settings, variable: str, port: int
) -> tuple[Runner, str]:
    """Start one application at a port of its own, or the API at its socket.

    Raises:
        StartupError: the port is taken, or can't be had.
    """
    runner = await _run_app(stack, app, settings)
    if variable == "HTTP_PORT" and settings.http_socket is not None:
        file = SocketFile(settings.http_socket, settings.http_socket_mode)
        site = UnixSite(runner, file, app.get(METRICS), connection_limit())
        await site.start()
        return runner, site.name
    try:
        await ListeningSite(runner, settings.http_host, port, app.get(METRICS), connection_limit()).start()
    except (OSError, UnicodeError) as error:
        raise StartupError(why_not_listening(settings.http_host, port, variable, error)) from error
    return runner, log_addresses(variable, runner.addresses)


def log_addresses(variable: str, names: Sequence[Any]) -> str:
    """Return the first of the addresses that are listened on, by the names of sockets; log them if they are several."""
    urls = [f"http://[{host}]:{bound}" if ":" in host else f"http://{host}:{bound}" for host, bound, *_ in names]
    if len(urls) > 1:
        log.info("listening", setting=variable, addresses=urls)
    return urls[0]


def why_not_listening(host: str, port: int, variable: str, error: OSError | UnicodeError) -> str:
    """Say what is wrong: the host, or the port."""
    if isinstance(error, socket.gaierror | UnicodeError):
        reason = "it is no name of a host" if isinstance(error, UnicodeError) else error.strerror
        return (
            f"HTTP_HOST is {masked(host)!a}, which can't be resolved ({reason}): set it to an address of this machine,"
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
    of_requests = app[METRICS], app[ADMISSION], app[BODIES], app[UNSENT], app[STREAMS], app[DISPATCHER]
    return *of_requests, app[AUDIT_MONTHS], app[SEALER], database, LOG_METRICS


def end_by_signals(*numbers: signal.Signals) -> "asyncio.Future[str]":
    """Return the name of the first of some signals to come; a second one ends the process at once.

    SIGHUP does so only as the first: a terminal that is closed has it sent twice, by the system and by its shell. It is
    none of them where it was ignored before, as by nohup.
    """
    loop = asyncio.get_running_loop()
    first = loop.create_future()

    def told(number: signal.Signals) -> None:
        if not first.done():
            first.set_result(number.name)
        elif number != signal.SIGHUP:
            os._exit(128 + number)

    for number in numbers:
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        loop.add_signal_handler(number, told, number)
    return first
