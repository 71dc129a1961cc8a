"""Following changes as they happen: what one client is sent, step by step, whatever the transport.

At each step the client is authenticated anew, so that a token that was revoked ends it within seconds, and what it may
see is looked up anew.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import Any, Final, NamedTuple
from uuid import UUID

from service.batching.batcher import Batcher
from service.database.pool import Database
from service.database.reused_connection import ReusedConnection
from service.feed.cursor import Cursor
from service.feed.reader import Batch, FeedReader, Subscription
from service.feed.sending import look_up, tell_each
from service.feed.sight import Sight
from service.identity import Caller
from service.operations.call import Call
from service.operations.changes import list_changes, read_on
from service.operations.read_turns import ReadTurns
from service.permissions import require_administrator
from service.repositories.audit import Entry
from service.repositories.audit_feed import FeedState
from service.schemas.changes import Change, ChangesFound, ListChanges
from service.telemetry.request_record import current_asking

HEARTBEAT_SECONDS: Final = 3.0
"""Seconds after which a client is authenticated again, and told that it is still there, if nothing happens."""
CHANGE_BYTES: Final = 300
"""Bytes of a change at least, of which one by one is encoded as it is sent."""
MAX_BATCHED: Final = 200
"""Clients whose sight is looked up in one batch of statements."""


class Step(NamedTuple):
    """A step: changes, or none, and the place behind them."""

    changes: Sequence[Change]
    cursor: str


class _Wanted(NamedTuple):
    """A client that is to be told of some entries."""

    caller: Caller
    entries: tuple[Entry, ...]


class Feed:
    """The feed of one process: its reader, and a batcher by which clients share look-ups."""

    def __init__(
        self, database: Database, turns: ReadTurns, batcher_type: Callable[..., Batcher[Any, Any]] = Batcher
    ) -> None:
        self.database: Final = database
        self.turns: Final = turns
        """Of the pages that clients catch up by."""
        self.reader: Final = FeedReader(database)
        reused = ReusedConnection(database)
        self.batcher: Final[Batcher[_Wanted, Sight]] = batcher_type(
            "feed", partial(self._look_up, reused), max_size=MAX_BATCHED, on_idle=reused.rest
        )

    async def _look_up(self, reused: ReusedConnection, wanted: Sequence[_Wanted]) -> list[Sight]:
        """Look up what clients may see of what entries are about: those of one organization together."""
        by_organization: defaultdict[UUID, list[_Wanted]] = defaultdict(list)
        for each in wanted:
            by_organization[each.caller.organization_id].append(each)
        found = {}
        async with reused as connection:
            for organization_id, some in by_organization.items():
                batches = {id(each.entries): each.entries for each in some}.values()  # mostly one, which all share
                entries = {entry.id: entry for batch in batches for entry in batch}
                callers = [each.caller for each in some]
                found[organization_id] = await look_up(connection, organization_id, callers, [*entries.values()])
        return [found[each.caller.organization_id].sight(each.caller) for each in wanted]


class Follower:
    """One client that follows the feed."""

    def __init__(
        self,
        feed: Feed,
        authenticate: Callable[[], Awaitable[Caller]],
        request: ListChanges,
        organization_id: UUID,
        *,
        more: bool,
    ) -> None:
        """Follow for a caller.

        Args:
            feed: of the process.
            authenticate: finds out anew who the client is.
            request: has the place behind which the client has seen nothing.
            organization_id: the caller's.
            more: whether there may be something behind that place already.
        """
        self._feed = feed
        self._authenticate = authenticate
        self._request = request
        self._organization_id = organization_id
        self._more = more
        self.cursor: str = request.after or ""
        """The place up to which the client was sent everything."""
        self._known = Cursor.read(self.cursor, organization_id).known
        self._reach = 0

    async def follow(self, until: float | None = None) -> AsyncGenerator[Step, None]:
        """Yield what happens, and a step without changes whenever nothing has for a while.

        Args:
            until: a moment by the monotonic clock; None: for ever.

        Raises:
            Ended: the client has to come back with its cursor.
            Unauthenticated: its token is no longer good.
            PermissionDenied: it is no longer an administrator's, and follows every entry.
            Gone: the cursor can't be gone on from.
        """
        if self._more:
            async for step in self._catch_up(None):
                yield step
        with self._feed.reader.subscribe(self._organization_id) as queue:
            while queue.joined is None and not _over(until):
                await queue.wait(_seconds(until))
                yield Step((), self.cursor)
            if queue.joined is not None:
                async for step in self._catch_up(queue.joined):
                    yield step
            while not _over(until):
                await queue.wait(_seconds(until))
                yield await self._next(queue)

    async def write_from(self, found: ChangesFound) -> AsyncGenerator[Step, None]:
        """Yield what a stream writes, for ever: a first page, then what happens, and its place every few seconds.

        Raises:
            as `follow`.
        """
        yield Step(found.changes, found.next_cursor)
        written = monotonic()
        async with aclosing(self.follow()) as steps:
            async for step in steps:
                if step.changes or monotonic() - written >= HEARTBEAT_SECONDS - 0.1:
                    yield step
                    written = monotonic()

    async def _catch_up(self, place: Cursor | None) -> AsyncGenerator[Step, None]:
        """Read what the client has missed, up to the place from which on its queue has everything."""
        more = True
        while more:
            caller = await self._known_caller()
            call, request = Call(caller, self._feed.database), replace(self._request, after=self.cursor)
            async with self._feed.turns.turn(current_asking()) as turn:
                if place is None:
                    found = await list_changes(call, request)
                else:
                    state = FeedState(place.epoch, place.seen, None, None)
                    found = await read_on(call, request, Cursor.read(self.cursor, self._organization_id), state)
                turn.bytes = CHANGE_BYTES * len(found.changes)
            self.cursor, more = found.next_cursor, found.more
            yield Step(found.changes, self.cursor)
        self._known = Cursor.read(self.cursor, self._organization_id).known

    async def _next(self, queue: Subscription) -> Step:
        """Return the next step: what is queued, as the client may see it now."""
        caller = await self._known_caller()
        batch = queue.take()
        changes = await self._tell(batch, caller) if batch else []
        place = self._feed.reader.place
        if batch is None and place is not None and place.epoch.reach >= self._reach:
            self.cursor = place._replace(known=self._known).write(self._organization_id)
        return Step(changes, self.cursor)

    async def _tell(self, batch: Batch, caller: Caller) -> list[Change]:
        seen = await self._feed.batcher.submit(_Wanted(caller, batch.entries))
        last, self._reach = batch.entries[-1].id, batch.place.epoch.reach
        self._known = max(self._known, last)
        self.cursor = batch.place.behind(last).write(self._organization_id)
        return await tell_each(batch.entries, seen, batch.place, every=self._request.all)

    async def _known_caller(self) -> Caller:
        caller = await self._authenticate()
        if self._request.all:
            require_administrator(caller, "follow every change of the organization")
        return caller


def _seconds(until: float | None) -> float:
    """Return how long to wait for what happens next."""
    return HEARTBEAT_SECONDS if until is None else max(0.0, min(HEARTBEAT_SECONDS, until - monotonic()))


def _over(until: float | None) -> bool:
    return until is not None and monotonic() >= until
