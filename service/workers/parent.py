"""The parent of several workers: it listens for them, answers for them at the operations port, and takes signals."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from service.errors import StartupError
from service.http.server.listener import BACKLOG, ListeningSockets
from service.http.server.socket_file import SocketFile
from service.process import Addresses, end_by_signals, listen, log_addresses, log_started, why_not_listening
from service.settings import Settings
from service.workers.probes import probes_of
from service.workers.supervisor import Supervisor

log = structlog.get_logger()


async def serve_by_workers(settings: Settings, dsn: str, size: int) -> None:
    """Serve by so many processes until this one is told to end, as one that serves alone would be.

    SIGHUP has the workers replaced one by one, by processes that load the program anew. Until they are there, and once
    this one is about to end, it does nothing.

    Args:
        settings: of each worker.
        dsn: of the database.
        size: how many.

    Raises:
        StartupError: a port is taken, or can't be had, or a worker could not start.
    """
    ending, loop = end_by_signals(signal.SIGTERM, signal.SIGINT), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, _do_nothing)
    async with AsyncExitStack() as stack:
        listening, api = await stack.enter_async_context(_listening(settings))
        supervisor = Supervisor(settings, dsn, size, listening.sockets)
        _, ops = await listen(stack, probes_of(supervisor), settings, "OPS_PORT", settings.ops_port)
        reloads = Reloads(supervisor.replace_all)
        async with supervisor.running():
            loop.add_signal_handler(signal.SIGHUP, reloads.begin)
            log_started(settings, Addresses(api, ops))
            name = await ending
            supervisor.stopping = True
            delay = 0.0 if name == "SIGINT" else settings.shutdown_delay
            log.info("stopping", signal=name, delay=delay, drain=settings.drain_timeout)
            reloads.end()
            listening.close()  # so that the sockets are gone with the last worker that accepts from them
            await supervisor.end(name)
    log.info("stopped")


def _do_nothing() -> None:
    pass


class Reloads:
    """The replacements of all workers: one at a time, and one that waits, however many are asked for."""

    def __init__(self, replace_all: Callable[[], Coroutine[None, None, None]]) -> None:
        """Take what replaces all workers."""
        self._replace_all = replace_all
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._ended = False

    def begin(self) -> None:
        """Replace all workers, behind what is under way; what waits already serves for this one too."""
        if self._ended or len(self._tasks) > 1:
            return
        task = asyncio.get_running_loop().create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self) -> None:
        """Give up what is under way or waits, and begin no more."""
        self._ended = True
        for task in self._tasks:
            task.cancel()

    async def _run(self) -> None:
        async with self._turn:
            await self._replace_all()


@asynccontextmanager
async def _listening(settings: Settings) -> AsyncIterator[tuple[ListeningSockets, str]]:
    """Yield the sockets of the API, which listen meanwhile, and their address.

    Raises:
        StartupError: they can't.
    """
    opened = ListeningSockets()
    if settings.http_socket is not None:
        file = SocketFile(settings.http_socket, settings.http_socket_mode)
        opened.accept_from(file.open(BACKLOG))
        try:
            yield opened, f"unix:{file.path}"
        finally:
            file.remove()
            opened.close()
        return
    try:
        await opened.listen_on_host(settings.http_host, settings.http_port)
    except (OSError, UnicodeError) as error:
        opened.close()
        sentence = why_not_listening(settings.http_host, settings.http_port, "HTTP_PORT", error)
        raise StartupError(sentence) from error
    try:
        yield opened, log_addresses("HTTP_PORT", [each.getsockname() for each in opened.sockets])
    finally:
        opened.close()
