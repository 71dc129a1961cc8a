"""`Changes.Watch`: changes as they happen, by a call that goes on until the client or the service ends it.

It begins as a call of the feed's first page, with all that is around calls; then it is counted as a stream, as those by
HTTP are, and no longer as a request.
"""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import grpc
from multidict import CIMultiDictProxy

from service.errors import ServiceError, Unavailable
from service.grpc.binding import MessageBinding
from service.grpc.calls import Calls, Context, Parts, abort, headers_of
from service.grpc.messages import WATCH, AnswerMessage
from service.http.open_streams import WRITE_SECONDS, End, Streams
from service.http.responses import encode
from service.http.routes import ROUTES
from service.operations.changes import list_changes
from service.operations.following import Follower, Step
from service.schemas.changes import Change, ChangesFound, ListChanges, dump_changes
from service.telemetry.request_record import Asking, RequestRecord, current_request

NEXT_CURSOR: Final = "next-cursor"
"""The metadata behind a call that has ended: where to go on."""
MESSAGE_BYTES: Final = 1_000_000
"""Bytes of changes, as JSON has them, beyond which they are sent in several messages."""
ENDS: Final = {
    "draining": "This process ends: go on from the last next_cursor, at another one.",
    "crowded": "Others follow changes, too, and you had most places: go on from the last next_cursor, later.",
    "slow": "More has happened than was taken: go on from the last next_cursor.",
}
OTHER_END: Final = "The database has changed over, or could not be read: go on from the last next_cursor."


class Begun(NamedTuple):
    """The beginning of a watch: what was asked for, what is there already, and for whom it goes on."""

    request: ListChanges
    found: ChangesFound
    record: RequestRecord | None = None
    tag: None = None
    """A watch has none."""

    @property
    def body(self) -> bytes:
        """Nothing, as it is encoded when it is sent."""
        return b""


class WatchBinding(MessageBinding):
    """The binding of the first page of a watch."""

    def answer(self, request: Any, result: Any) -> Any:
        """Return what goes on from there."""
        return Begun(request.outcome, result)


class _Forms:
    """The end of the first page, which becomes no message of its own."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    async def encode(self, answer: Any) -> Any:
        """Return the beginning with the record of its request, if there is a place for what goes on.

        Raises:
            Unavailable: there is none.
        """
        record, begun = current_request(), answer
        self._streams.check(record)
        return begun._replace(record=record)


@dataclass(slots=True)
class _Place:
    """Where a watch has come to by what was written, and not by what is still to be."""

    cursor: str | None
    asking: Asking | None
    """Whose watch it is."""


class Watches:
    """The watches of one process."""

    def __init__(self, calls: Calls, parts: Parts) -> None:
        (route,) = (row for row in ROUTES if row.operation is list_changes)
        self._binding = WatchBinding(route, WATCH, parts.dispatcher, parts.bodies, parts.unsent, parts.addresses)
        self._calls = calls
        self._streams = parts.streams
        self._forms: Any = _Forms(parts.streams)
        self._feed = parts.dispatcher.feed
        self._authentication = parts.dispatcher.authentication
        self._message = AnswerMessage(WATCH.output_type)
        self._maker = parts.kept.maker

    async def handle(self, _: object, context: Context) -> None:
        """Answer one call for as long as the client, its token and the process last."""
        begun: Any = await self._calls.answer(self._binding, self._forms, context)
        self._calls.untaken.until_the_end_of(context)
        follower = self._follower(headers_of(context), begun)
        failure = None
        with self._streams.following("stream", begun.record) as end:
            place = _Place(begun.request.after, begun.record.asking)
            try:
                await self._write_all(follower, begun.found, context, end, place)
            except TimeoutError:
                end.reason = "slow"
            except grpc.aio.InternalError:  # the connection is gone
                end.reason = "client_left"
            except Exception as error:
                failure = end.told(error)
        if not context.cancelled() and end.reason != "client_left":
            failure = failure or _ended(end.reason)
            await abort(context, failure, begun.record.request_id, {NEXT_CURSOR: place.cursor or follower.cursor})

    def _follower(self, headers: CIMultiDictProxy[str], begun: Begun) -> Follower:
        record, credentials = begun.record, headers.get("authorization")
        assert record is not None  # noqa: S101 - its request has ended well
        assert record.organization_id is not None  # noqa: S101 - its caller is known
        organization = record.asking.organization if record.asking else None

        def authenticate() -> Any:
            return self._authentication.authenticate(credentials, organization)

        going_on = replace(begun.request, after=begun.found.next_cursor)
        return Follower(self._feed, authenticate, going_on, record.organization_id, more=begun.found.more)

    async def _write_all(
        self, follower: Follower, found: ChangesFound, context: Context, end: End, place: "_Place"
    ) -> None:
        async with aclosing(follower.write_from(found)) as steps:
            async for step in steps:
                await self._send(context, step, end, place)
                end.go_on()

    async def _send(self, context: Context, step: Step, end: End, place: "_Place") -> None:
        """Send a step; a client that does not take it in time is ended by TimeoutError."""
        for part in _parts(step):
            message = await self._maker.make(self._message, encode(dump_changes(part)), place.asking)
            self._calls.untaken.begin(context, len(message))
            async with asyncio.timeout(WRITE_SECONDS):
                await context.write(message)
            self._calls.untaken.taken(context)
            end.sent += len(part.changes)
            place.cursor = part.next_cursor


def _parts(step: Step) -> Iterator[ChangesFound]:
    """Yield a step as messages that clients take, which are at most 4 MB by default; each has a place of its own."""
    part, size = list[Change](), 0
    for change in step.changes:
        length = len(encode(change.dump()))
        if part and size + length > MESSAGE_BYTES:
            yield ChangesFound(part, part[-1].cursor)
            part, size = [], 0
        part.append(change)
        size += length
    yield ChangesFound(part, step.cursor)


def _ended(reason: str) -> ServiceError:
    """Return what a client is told that is to come back."""
    return Unavailable(ENDS.get(reason, OTHER_END), reason=reason)
