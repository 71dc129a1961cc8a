"""A protocol-aware proxy between a service and its PostgreSQL, which injects a fault at a planned round trip."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

EXECUTE_MESSAGES: Final = b"EQ"
"""The types of the messages that execute a statement: Execute and Query. (Preparing one changes nothing.)"""
READY_FOR_QUERY: Final = b"Z"
"""The type of the last message in the server's response to a statement."""
CHUNK: Final = 65536


class Moment(StrEnum):
    """The moment in a round trip at which a fault is injected."""

    BEFORE_SENT = "before it"
    BEFORE_ANSWERED = "after it, its answer withheld"
    AFTER_ANSWERED = "after its answer"


@dataclass
class FaultPlan:
    """A fault to be injected at one round trip."""

    step: int
    """The number of the round trip, counted from 1."""
    moment: Moment
    inject: Callable[[], None]
    """Injects the fault; every connection is cut after it."""
    round_trips: int = 0
    """Round trips begun since the plan was set."""
    triggered: bool = False


class Proxy:
    """A proxy that listens on a port and relays everything to a server's socket, but for what a plan withholds."""

    def __init__(self, server: Path, host: str = "127.0.0.1") -> None:
        self.host, self.port = host, 0
        self.attempts: list[float] = []
        """Times of connection attempts, accepted by the server or not, by time.monotonic()."""
        self._server = server
        self._plan: FaultPlan | None = None
        self._connections: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._listening: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._accept, self.host, 0)
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: TracebackType | BaseException | type[BaseException] | None) -> None:
        assert self._listening is not None
        self._listening.close()
        self.cut()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def set_plan(self, plan: FaultPlan | None) -> None:
        """Set the fault to inject from now on; None for none."""
        self._plan = plan

    def cut(self) -> None:
        """Cut every connection on both sides."""
        for writers in self._connections.values():
            for writer in writers:
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts.append(time.monotonic())
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = (writer,)
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(str(self._server))
            self._connections[task] = (writer, server_writer)
            await self._relay(_Session(self), (reader, writer), (server_reader, server_writer))
        except OSError:
            pass  # the server is not there, or one side has closed: the other side is closed too
        finally:
            for each in self._connections.pop(task):
                each.transport.abort()

    async def _relay(
        self,
        session: "_Session",
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        upstream = asyncio.create_task(_relay_stream(client[0], server[1], session.on_request))
        downstream = asyncio.create_task(_relay_stream(server[0], client[1], session.on_response))
        done, remaining = await asyncio.wait({upstream, downstream}, return_when=asyncio.FIRST_COMPLETED)
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)
        for task in done:
            task.result()

    def trigger(self, plan: FaultPlan) -> None:
        """Inject the planned fault, and cut every connection."""
        plan.triggered, self._plan = True, None
        plan.inject()
        self.cut()

    @property
    def pending(self) -> FaultPlan | None:
        """The plan that is not yet carried out."""
        return self._plan


class _Session:
    """The messages of one connection, and its current round trip."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._requests, self._responses = _Messages(headed=False), _Messages(headed=True)
        self._step: int | None = None
        """The number of the current round trip, if it is counted."""

    def on_request(self, chunk: bytes) -> bytes | None:
        """Return the part of the client's chunk that is relayed to the server; None if the connection is cut there."""
        for message_type in self._requests.types(chunk):
            plan = self._proxy.pending
            if message_type not in EXECUTE_MESSAGES or plan is None:
                continue
            plan.round_trips += 1
            self._step = plan.round_trips
            if self._step == plan.step and plan.moment is Moment.BEFORE_SENT:
                self._proxy.trigger(plan)
                return None
        return chunk

    def on_response(self, chunk: bytes) -> bytes | None:
        """Return the part of the server's chunk that is relayed to the client.

        A response may come in several chunks: its end, READY_FOR_QUERY, is what is withheld.
        """
        plan = self._proxy.pending
        ready = READY_FOR_QUERY in [*self._responses.types(chunk)]
        if plan is None or self._step != plan.step or plan.moment is Moment.BEFORE_SENT:
            return chunk
        if plan.moment is Moment.BEFORE_ANSWERED:
            if ready:
                self._proxy.trigger(plan)
            return b""
        if ready:
            asyncio.get_running_loop().call_soon(self._proxy.trigger, plan)  # after this chunk is written
        return chunk


class _Messages:
    """A parser for the message types in a stream that arrives in arbitrary chunks."""

    def __init__(self, *, headed: bool) -> None:
        """Start at the beginning of a stream; not headed: its first message, a client's, has a length but no type."""
        self._headed = headed
        self._buffer = b""

    def types(self, chunk: bytes) -> Iterator[bytes]:
        self._buffer += chunk
        while True:
            head = int(self._headed)
            if len(self._buffer) < head + 4:
                return
            length = head + int.from_bytes(self._buffer[head : head + 4])
            if len(self._buffer) < length:
                return
            message_type, self._buffer = self._buffer[:head], self._buffer[length:]
            self._headed = True
            if message_type:
                yield message_type


async def _relay_stream(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, filter_chunk: Callable[[bytes], bytes | None]
) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            filtered = filter_chunk(chunk)
            if filtered is None:
                return
            writer.write(filtered)
            await writer.drain()
