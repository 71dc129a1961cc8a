"""A proxy between a service and its PostgreSQL that knows where in their protocol it is, and makes a fault there."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final, Self

EXECUTES: Final = b"EQ"
"""The messages that have a statement run: Execute, and Query. (What only prepares one changes nothing.)"""
READY: Final = b"Z"
"""The last message of the server's answer to it."""
CHUNK: Final = 65536


class Moment(StrEnum):
    """Of a round trip, where a fault is made."""

    UNSENT = "before it"
    UNANSWERED = "after it, its answer withheld"
    ANSWERED = "after its answer"


@dataclass
class Plan:
    """At which round trip a fault is made."""

    step: int
    """Counted from 1."""
    moment: Moment
    act: Callable[[], None]
    """Makes the fault; every connection is cut after it."""
    seen: int = 0
    """Round trips begun since the plan was made."""
    made: bool = False


class Proxy:
    """Listens on a port, and passes everything on to a server's socket but for what a plan forbids."""

    def __init__(self, server: Path, host: str = "127.0.0.1") -> None:
        self.host, self.port = host, 0
        self.attempts: list[float] = []
        """When connections were asked for, whether the server took them or not, by time.monotonic()."""
        self._server = server
        self._plan: Plan | None = None
        self._open: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = {}
        self._listening: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._listening = await asyncio.start_server(self._accept, self.host, 0)
        self.port = self._listening.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: TracebackType | BaseException | type[BaseException] | None) -> None:
        assert self._listening is not None
        self._listening.close()
        self.cut()
        await asyncio.gather(*self._open, return_exceptions=True)

    def plan(self, plan: Plan | None) -> None:
        """What to do from now on."""
        self._plan = plan

    def cut(self) -> None:
        """Cut every connection on both sides."""
        for writers in self._open.values():
            for writer in writers:
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts.append(time.monotonic())
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = (writer,)
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(str(self._server))
            self._open[task] = (writer, server_writer)
            await self._relay(_Conversation(self), (reader, writer), (server_reader, server_writer))
        except OSError:
            pass  # the server is not there, or one of them is gone: so is the other one now
        finally:
            for each in self._open.pop(task):
                each.transport.abort()

    async def _relay(
        self,
        conversation: "_Conversation",
        client: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        server: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        asking = asyncio.create_task(_pass_on(client[0], server[1], conversation.asked))
        answering = asyncio.create_task(_pass_on(server[0], client[1], conversation.answered))
        done, left = await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        for task in done:
            task.result()

    def make(self, plan: Plan) -> None:
        """Make the planned fault."""
        plan.made, self._plan = True, None
        plan.act()
        self.cut()

    @property
    def planned(self) -> Plan | None:
        return self._plan


class _Conversation:
    """One connection's messages, and the round trip that it is in."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._asked, self._answered = _Messages(headed=False), _Messages(headed=True)
        self._step: int | None = None
        """The number of the round trip under way, if it is one that counts."""

    def asked(self, chunk: bytes) -> bytes | None:
        """What of the client's chunk goes on to the server; None if the connection is cut there."""
        for kind in self._asked.kinds(chunk):
            plan = self._proxy.planned
            if kind not in EXECUTES or plan is None:
                continue
            plan.seen += 1
            self._step = plan.seen
            if self._step == plan.step and plan.moment is Moment.UNSENT:
                self._proxy.make(plan)
                return None
        return chunk

    def answered(self, chunk: bytes) -> bytes | None:
        """The same of the server's. An answer may come in several chunks: what is withheld is its end, READY."""
        plan = self._proxy.planned
        ready = READY in [*self._answered.kinds(chunk)]
        if plan is None or self._step != plan.step or plan.moment is Moment.UNSENT:
            return chunk
        if plan.moment is Moment.UNANSWERED:
            if ready:
                self._proxy.make(plan)
            return b""
        if ready:
            asyncio.get_running_loop().call_soon(self._proxy.make, plan)  # once this chunk has been written
        return chunk


class _Messages:
    """Finds the kinds of messages in a stream that is cut into chunks anywhere."""

    def __init__(self, *, headed: bool) -> None:
        """A client's first message has a length, but no kind."""
        self._headed = headed
        self._left = b""

    def kinds(self, chunk: bytes) -> Iterator[bytes]:
        self._left += chunk
        while True:
            head = int(self._headed)
            if len(self._left) < head + 4:
                return
            length = head + int.from_bytes(self._left[head : head + 4])
            if len(self._left) < length:
                return
            kind, self._left = self._left[:head], self._left[length:]
            self._headed = True
            if kind:
                yield kind


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, judge: Callable[[bytes], bytes | None]
) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(CHUNK):
            passed = judge(chunk)
            if passed is None:
                return
            writer.write(passed)
            await writer.drain()
