"""The one reader of a process, which feeds all clients that follow changes.

It asks for what is new while there are clients, a statement each time, and hands the same entries to all of them. Each
has a bounded queue: one that falls behind is ended, and comes back with its cursor.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Final, NamedTuple
from uuid import UUID

import structlog

from service.audit.timelines import carry_over
from service.database.pool import Database
from service.errors import ServiceError
from service.feed.cursor import Cursor
from service.repositories import audit_feed
from service.repositories.audit import Entry
from service.repositories.audit_epochs import Epoch, Mark
from service.repositories.audit_feed import Between, Read

log = structlog.get_logger()

POLL_SECONDS: Final = 0.05
"""Seconds from one look at what is new to the next, while there are clients."""
RETRY_SECONDS: Final = 0.5
"""Seconds until the next look where the database could not be had."""
MAX_QUEUED: Final = 1_000
"""Entries that may wait for one client."""
MAX_QUEUED_BYTES: Final = 16 * 2**20
"""Bytes of their states, which all clients of an organization share."""
_NOBODY: Final = UUID(int=0)


class Ended(Exception):
    """The end of what a client followed, with the reason for it: one word, as in logs and metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason: Final = reason


class Batch(NamedTuple):
    """Entries of one organization, in the order of their ids."""

    place: Cursor
    """The place at which they were read."""
    entries: tuple[Entry, ...]
    bytes: int = 0
    """The length of their states."""


class Subscription:
    """The queue of one client."""

    def __init__(self, organization_id: UUID) -> None:
        self.organization_id: Final = organization_id
        self.joined: Cursor | None = None
        """The place behind which the queue has everything; None until the reader has come to it."""
        self._batches: deque[Batch] = deque()
        self._queued = 0
        self._queued_bytes = 0
        self._ended: str | None = None
        self._changed = asyncio.Event()

    def join(self, place: Cursor) -> None:
        """Begin behind a place."""
        self.joined = place
        self._changed.set()

    def put(self, batch: Batch) -> None:
        """Queue a batch; or end, if too much waits already."""
        self._queued += len(batch.entries)
        self._queued_bytes += batch.bytes
        self._batches.append(batch)
        if (self._queued > MAX_QUEUED or self._queued_bytes > MAX_QUEUED_BYTES) and len(self._batches) > 1:
            self.end("slow")
        self._changed.set()

    def end(self, reason: str) -> None:
        """Let the client go: it is told by what it takes next."""
        self._ended = self._ended or reason
        self._batches.clear()
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to take, or for some seconds.

        Raises:
            Ended: nothing more comes.
        """
        if not self._batches and self._ended is None:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        if self._ended is not None:
            raise Ended(self._ended)

    def take(self) -> Batch | None:
        """Take the next batch; None if there is none."""
        if not self._batches:
            return None
        batch = self._batches.popleft()
        self._queued -= len(batch.entries)
        self._queued_bytes -= batch.bytes
        return batch


class FeedReader:
    """Reads what is new for all clients of a process, and nothing while there are none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscriptions: set[Subscription] = set()
        self._reading: asyncio.Task[None] | None = None
        self._mark: Mark | None = None
        """Where the database was when it was read last; None: it may be another one, or have changed over."""
        self._closed: str | None = None
        self.place: Cursor | None = None
        """The place up to which every queue has everything."""
        self.ended: Counter[str] = Counter()
        """Clients that were ended, by reason."""
        database.on_forget.append(self._forget)

    @contextmanager
    def subscribe(self, organization_id: UUID) -> Iterator[Subscription]:
        """Queue what happens in an organization from now on, for as long as the context lasts."""
        subscription = Subscription(organization_id)
        if self._closed is not None:
            subscription.end(self._closed)
        self._subscriptions.add(subscription)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_forever(), context=Context())
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def close(self, reason: str) -> None:
        """End all clients, and those that still come; then the reader, which may be waiting for a database."""
        self._closed = reason
        self._end_all(reason)
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    def _forget(self) -> None:
        self._mark = None

    def _end_all(self, reason: str) -> None:
        for subscription in self._subscriptions:
            subscription.end(reason)

    async def _read_forever(self) -> None:
        """Read until there are no clients; what a client has missed by then it reads itself."""
        self.place, told = None, False
        while self._subscriptions and self._closed is None:
            try:
                await self._read()
                pause, told = POLL_SECONDS, False
            except (ServiceError, OSError, TimeoutError) as error:
                pause = RETRY_SECONDS
                if not told:
                    said = error.with_cause if isinstance(error, ServiceError) else str(error)
                    log.warning("feed_unreadable", error=said)
                told = True
            except Exception:
                log.exception("feed_failed")
                self._end_all("failed")
                pause = RETRY_SECONDS
            await asyncio.sleep(pause)

    async def _read(self) -> None:
        """Read once, and hand on what is new."""
        if self._mark is None or self.place is None:
            await self._begin()
        assert self.place is not None  # noqa: S101 - it has just been set
        joining = [each for each in self._subscriptions if each.joined is None]
        joined = [each for each in self._subscriptions if each.joined is not None]
        place, organizations = self.place, [*{each.organization_id for each in joined}]
        while True:
            async with self._database.connection() as connection:
                found = await audit_feed.read_between(
                    connection,
                    organizations,
                    seen=place.seen,
                    target=place.target,
                    after=place.after,
                    epoch=place.epoch,
                )
            if self._is_elsewhere(found):
                return
            if place.target is None:
                if found.target == place.seen:  # nothing is new: the place keeps its epoch, as it has seen no more
                    break
                place = place._replace(epoch=place.epoch._replace(**found.mark._asdict()), target=found.target)
            self._hand_on(place, found.entries, joined)
            if not found.more:
                break
            place = place.behind(found.entries[-1].entry.id)
        self.place = Cursor(place.epoch, found.target)
        for each in joining:
            each.join(self.place)

    def _is_elsewhere(self, found: Between) -> bool:
        """Return whether what was read is of another history than before, and have that looked at.

        One that lacks what was read, or has gone back behind it on the same timeline, ends all clients.
        """
        mark, former, place = found.mark, self._mark, self.place
        if not found.holds:
            self._mark = self.place = None
            self._end_all("changed_over")
            return True
        if former is not None and mark.timeline == former.timeline and mark.position >= former.position:
            self._mark = mark
            return False
        self._mark = None
        if place is not None and mark.timeline == place.epoch.timeline and mark.position < place.epoch.position:
            self.place = None
            self._end_all("changed_over")
        return True

    async def _begin(self) -> None:
        """Find out which database it is, and begin now, or go on in the same one.

        A database that has changed over, and may lack what was read, ends all clients: whether they can go on is for
        their cursors to decide.
        """
        async with self._database.connection() as connection:
            former = self.place
            state = await audit_feed.read_state(connection, _NOBODY, former.epoch if former else None)
            epoch: Epoch | None = state.epoch
            if former is not None:
                epoch = await carry_over(connection, former.epoch, state)
        self._mark = Mark(*state.epoch[-len(Mark._fields) :])
        if former is None or epoch is None:
            self.place = Cursor(state.epoch, state.snapshot)
        else:
            self.place = former._replace(epoch=epoch)
        if epoch is None:
            self._end_all("changed_over")

    @staticmethod
    def _hand_on(place: Cursor, found: list[Read], joined: list[Subscription]) -> None:
        """Queue entries for the clients of their organizations."""
        by_organization: defaultdict[UUID, list[Read]] = defaultdict(list)
        for each in found:
            by_organization[each.organization_id].append(each)
        batches = {
            organization_id: Batch(place, tuple(each.entry for each in some), sum(each.bytes for each in some))
            for organization_id, some in by_organization.items()
        }
        for subscription in joined:
            if batch := batches.get(subscription.organization_id):
                subscription.put(batch)
