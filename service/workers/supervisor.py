"""The parent's watch over its workers: it starts them, replaces those that end or hang, and ends them."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

import structlog

from service.errors import StartupError
from service.settings import Settings
from service.workers.member import Member
from service.workers.metrics import Totals, WorkerMetrics
from service.workers.worker import BEAT_SECONDS

log = structlog.get_logger()

HUNG_SECONDS: Final = 5.0
"""Seconds without a sign of life after which a worker is killed: nothing it does takes its loop so long."""
START_SECONDS: Final = 60.0
"""Seconds for a worker to accept requests, and to be ready where it takes another one's place."""
ANSWER_SECONDS: Final = 0.95
"""Seconds for a worker to answer: less than the 1 s that probes usually wait."""
FIRST_PAUSE: Final = 0.1
"""Seconds until a worker that has ended is replaced; twice as many each time that it ends soon again."""
MAX_PAUSE: Final = 30.0
"""Seconds until it is replaced, at most."""
STABLE_SECONDS: Final = 30.0
"""Seconds after which the end of a worker is not one of a row."""


class Supervisor:
    """Keeps so many workers running."""

    def __init__(self, settings: Settings, dsn: str, size: int, sockets: Sequence[socket.socket]) -> None:
        self.stopping = False
        """True from the signal to end on."""
        self.metrics: Final = WorkerMetrics(size)
        self.present: Final[dict[int, Member]] = {}
        """The members that serve, or are to, by their numbers."""
        self._settings = settings
        self._dsn = dsn
        self._size = size
        self._sockets = sockets
        self._alive: set[Member] = set()
        """Members that have not ended; those that another one replaces are among them for a while."""
        self._retired = Totals()
        """The counts of members that have ended."""

    @property
    def grace(self) -> float:
        """Seconds after which a worker that was told to end is killed."""
        return self._settings.shutdown_delay + 2 * self._settings.drain_timeout + 5

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the workers meanwhile; afterwards none is left.

        Raises:
            StartupError: one of the first could not start.
        """
        tasks = []
        try:
            for number in range(1, self._size + 1):
                self.present[number] = await self._start(number)
            tasks.append(asyncio.create_task(self._watch()))
            await asyncio.gather(*(self._serving(each) for each in self.present.values()))
            tasks += [asyncio.create_task(self._keep(number)) for number in self.present]
            yield
        finally:
            self.stopping = True
            for task in tasks:
                task.cancel()
            for member in self._alive:
                member.kill()

    async def end(self, name: str) -> None:
        """End all workers as by a signal, and kill those that take too long."""
        self.stopping = True
        alive = [*self._alive]
        for member in alive:
            if member.accepts:
                member.end(name)
            else:
                member.kill()
        await asyncio.gather(*(self._gone(member) for member in alive))

    async def replace_all(self) -> None:
        """Replace the workers, one by one, each once the process in its place is ready; all stay if one is not."""
        log.info("reloading", workers=self._size)
        for number in range(1, self._size + 1):
            try:
                await self._replace(number)
            except (StartupError, OSError) as error:
                log.warning("reload_failed", worker=number, reason=str(error))
                return
        log.info("reloaded", workers=self._size)

    async def _replace(self, number: int) -> None:
        """Start another process in the place of a worker, and end that one.

        Raises:
            StartupError: the other is not ready; the worker stays.
            OSError: the system has no room for another process.
        """
        successor = await self._start(number)
        try:
            await self._ready(successor)
        except StartupError:
            successor.kill()
            raise
        former, self.present[number] = self.present[number], successor
        former.end("SIGHUP")
        await self._gone(former)

    async def reasons(self, kind: str = "ready") -> list[str]:
        """Return the reasons why the service as a whole can't serve: none accepts, or one that does is not ready."""
        if self.stopping:
            return ["The process is about to end."]
        accepting = [member for member in self.present.values() if member.accepts]
        if not accepting:
            return ["No worker accepts requests."]
        found = await asyncio.gather(*(member.ask(kind, ANSWER_SECONDS) for member in accepting))
        reasons = [
            reason
            for member, told in zip(accepting, found, strict=True)
            for reason in ([f"Worker {member.number} did not answer."] if told is None else told)
        ]
        return [*dict.fromkeys(reasons)]

    async def totals(self) -> Totals:
        """Return the metrics of all workers, those that have ended included as far as they have counted."""
        await asyncio.gather(*(member.ask("metrics", 2 * ANSWER_SECONDS) for member in self._alive if member.accepts))
        totals = Totals()
        totals.add_totals(self._retired)
        for member in self._alive:
            # One that is being replaced is not ready, which is said of none but those that are to serve.
            totals.add(member.snapshot, only_growing=self.present.get(member.number) is not member)
        self.metrics.serving = sum(member.accepts for member in self.present.values())
        return totals

    async def _start(self, number: int) -> Member:
        member = await Member.start(number, self._dsn, self._sockets)
        self._alive.add(member)
        member.ended.add_done_callback(lambda _: self._retire(member))
        return member

    def _retire(self, member: Member) -> None:
        self._alive.discard(member)
        self._retired.add(member.snapshot, only_growing=True)

    async def _serving(self, member: Member) -> None:
        try:
            async with asyncio.timeout(START_SECONDS):
                await asyncio.shield(member.serving)
        except TimeoutError as error:
            raise StartupError(f"A worker did not accept requests within {START_SECONDS:g} s.") from error

    async def _ready(self, member: Member) -> None:
        """Wait until a worker is ready.

        Raises:
            StartupError: it ended before, or is not after so many seconds.
        """
        await self._serving(member)
        deadline = monotonic() + START_SECONDS
        while (reasons := await member.ask("ready", ANSWER_SECONDS)) != []:
            if monotonic() > deadline or member.ended.done():
                raise StartupError(" ".join(reasons or ["It did not answer."]))
            await asyncio.sleep(BEAT_SECONDS)

    async def _gone(self, member: Member) -> None:
        try:
            async with asyncio.timeout(self.grace):
                await asyncio.shield(member.ended)
        except TimeoutError:
            log.warning("worker_killed", worker=member.number, process=member.process.pid, reason="overdue")
            member.kill()
            await member.ended

    async def _keep(self, number: int) -> None:
        """Replace a worker each time that it ends without being told to."""
        pause = FIRST_PAUSE
        while True:
            member = self.present[number]
            code = await asyncio.shield(member.ended)
            if self.stopping:
                return
            if self.present[number] is not member:
                continue
            reason = "hung" if member.hung else "killed" if code < 0 else "exited"
            self.metrics.replaced[reason] += 1
            pause = FIRST_PAUSE if monotonic() - member.begun > STABLE_SECONDS else min(2 * pause, MAX_PAUSE)
            ended = {"worker": number, "process": member.process.pid, "reason": reason, "code": code}
            log.warning("worker_ended", **ended, restart_seconds=pause)
            await self._restart(member, pause)

    async def _restart(self, member: Member, pause: float) -> None:
        """Start another process in the place of one that has ended, unless that has been done meanwhile."""
        while self.present[member.number] is member and not self.stopping:
            await asyncio.sleep(pause)
            try:
                successor = await self._start(member.number)
            except OSError as error:  # the system has no room for another process
                log.warning("worker_not_started", worker=member.number, error=str(error))
                pause = min(2 * pause, MAX_PAUSE)
                continue
            if self.present[member.number] is not member or self.stopping:
                successor.kill()
            else:
                self.present[member.number] = successor

    async def _watch(self) -> None:
        """Kill workers that give no sign of life, as far as it is not this process that was held up."""
        looked = monotonic()
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = monotonic()
            held_up, looked = max(0.0, now - looked - 2 * BEAT_SECONDS), now
            for member in [*self._alive]:
                member.heard = min(now, member.heard + held_up)  # in that time nothing could be heard
                silent = now - member.heard > HUNG_SECONDS if member.accepts else now - member.begun > START_SECONDS
                if silent and not member.hung:
                    member.hung = True
                    log.warning("worker_killed", worker=member.number, process=member.process.pid, reason="hung")
                    member.kill()
