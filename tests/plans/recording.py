"""Connections that record the statements that repositories send."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg

from service.database.fair_queue import Presence
from service.database.pool import Connection, Database
from service.database.spares import SpareConnections
from service.telemetry.metrics import SECONDS, Histograms


@dataclass(frozen=True)
class Statement:
    """A statement that a repository sent."""

    name: str
    text: str
    arguments: tuple[object, ...]


class Recorder(Connection):
    """A connection that records statements, and sends them."""

    __slots__ = ("sent",)

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self.sent: list[Statement] = []

    async def fetch(self, name: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
        self.sent.append(Statement(name, statement, arguments))
        return await super().fetch(name, statement, *arguments)

    async def fetch_row(self, name: str, statement: str, *arguments: object) -> asyncpg.Record | None:
        self.sent.append(Statement(name, statement, arguments))
        return await super().fetch_row(name, statement, *arguments)

    async def execute(self, name: str, statement: str, *arguments: object) -> None:
        self.sent.append(Statement(name, statement, arguments))
        await super().execute(name, statement, *arguments)


class OneConnection(Database):
    """A database with one connection, the recorder, whose users take turns."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._turn = asyncio.Lock()
        self.durations = Histograms(SECONDS)
        self.connection_type = lambda *_: recorder
        self.expired = 0
        self.presence = Presence()
        self.spares = SpareConnections()

    @property
    def exhausted(self) -> bool:
        """Nobody keeps the connection."""
        return True

    async def acquire(self) -> Any:
        await self._turn.acquire()
        return self._recorder._raw

    async def release(self, raw: Any, error: BaseException | None) -> None:
        self._turn.release()

    async def run(self, operation: Callable[[], Awaitable[Any]], *, only_reads: bool) -> Any:
        return await operation()
