"""Changes as they happen by HTTP: answers that wait for something to happen, and streams of server-sent events.

Both are counted apart from requests under way, which they are no longer once they wait: a response that is not written
yet takes no turn, no share and no deadline of requests.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from time import monotonic
from typing import Any, Final, NamedTuple

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from service.errors import ServiceError
from service.http.endpoint import Endpoint
from service.http.header_lists import quality
from service.http.open_streams import WRITE_SECONDS, End, Streams
from service.http.responses import encode, failure_body, failure_headers, status_of
from service.operations.dispatcher import Dispatcher
from service.operations.following import Follower, Step
from service.schemas.changes import ChangesFound, ListChanges, dump_changes
from service.telemetry.request_record import RequestRecord, current_request

EVENT_STREAM: Final = "text/event-stream"
LAST_EVENT_ID: Final = "Last-Event-ID"


class Following(NamedTuple):
    """The beginning of an answer that goes on: what was asked for, and what is there already."""

    request: ListChanges
    found: ChangesFound
    streams: bool
    """True for server-sent events."""

    @property
    def body(self) -> bytes:
        """Nothing, as it is encoded when it is sent."""
        return b""


class ChangesEndpoint(Endpoint):
    """The HTTP binding of the feed: pages as of every list, and what goes on."""

    def __init__(self, *parts: Any, streams: Streams, dispatcher: Dispatcher) -> None:
        route, *others = parts
        super().__init__(route, dispatcher, *others)
        self._streams = streams
        self._feed = dispatcher.feed
        self._authentication = dispatcher.authentication

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request: at once, or by a response that goes on when its request has ended."""
        answer = await self._dispatcher.dispatch(self, request)
        if not isinstance(answer, Following):
            return self._respond(request, answer)
        record = current_request()
        self._streams.check(record)
        follower = self._follower(request, answer, record)
        kind = EventStream if answer.streams else LaterAnswer
        return kind(self._streams, follower, answer, record)

    def _follower(self, request: web.Request, answer: Following, record: RequestRecord) -> Follower:
        credentials, asking = self.credentials(request), record.asking
        organization = asking.organization if asking else None
        assert record.organization_id is not None  # noqa: S101 - its caller is known

        def authenticate() -> Any:
            return self._authentication.authenticate(credentials, organization)

        going_on = replace(answer.request, after=answer.found.next_cursor)
        return Follower(self._feed, authenticate, going_on, record.organization_id, more=answer.found.more)

    def read(self, request: web.Request, received: Any) -> Any:
        """Return what the operation takes; a stream that was broken off begins behind the last event that came."""
        found: ListChanges = super().read(request, received)
        last = request.headers.get(LAST_EVENT_ID)
        if last and _wants_stream(request):
            found = replace(found, after=last)
        request[_REQUESTED] = found
        return found

    def answer(self, request: web.Request, result: Any) -> Any:
        """Encode a page; or say what goes on, if nothing has happened and it is to be waited for, or to be streamed."""
        asked: ListChanges = request[_REQUESTED]
        streams = _wants_stream(request)
        waits = asked.wait > 0 and not result.changes
        if request.method != hdrs.METH_HEAD and (streams or waits):
            return Following(asked, result, streams)
        return super().answer(request, result)


_REQUESTED: Final = web.RequestKey("requested", ListChanges)


def _wants_stream(request: web.Request) -> bool:
    """Return whether a client takes events, and does not say that it had rather a page."""
    events, page = (quality(request.headers, hdrs.ACCEPT, kind) for kind in (EVENT_STREAM, "application/json"))
    return 0 < events >= page


HEADERS: Final[Mapping[str, str]] = {hdrs.CACHE_CONTROL: "no-store", hdrs.VARY: hdrs.ACCEPT}


class EventStream(web.StreamResponse):
    """Server-sent events: each change with its cursor as the id, and `: alive` while nothing happens.

    The last event says why the stream ends, and at which cursor to go on.
    """

    def __init__(self, streams: Streams, follower: Follower, beginning: Following, record: RequestRecord) -> None:
        super().__init__(headers={**HEADERS, "X-Accel-Buffering": "no"})
        self._streams, self._follower, self._beginning = streams, follower, beginning
        self._request_record = record
        self.content_type = EVENT_STREAM
        self.charset = "utf-8"

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Begin the answer, in chunks, as its length is not known."""
        if request.version >= (1, 1):
            self.enable_chunked_encoding()
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        """Write events for as long as the client, the token and the process last; then end the response."""
        with self._streams.following("stream", self._request_record) as end:
            try:
                await self._write_to_the_end(end)
            except (ConnectionError, TimeoutError) as error:
                end.reason = "slow" if isinstance(error, TimeoutError) else "client_left"
                self.force_close()
                return
            await super().write_eof(data)

    async def _write_to_the_end(self, end: End) -> None:
        """Write what happens, and why no more of it is written; what the client does not take raises, also of that."""
        try:
            await self._write_all(end)
        except (ConnectionError, TimeoutError):
            raise
        except Exception as error:
            await self._take_leave(end.told(error), end)

    async def _write_all(self, end: End) -> None:
        before = b"retry: 1000\n"
        async with aclosing(self._follower.write_from(self._beginning.found)) as steps:
            async for step in steps:
                await self._send(before or (b"" if step.changes else b": alive\n"), step, end)
                end.go_on()
                before = b""

    async def _send(self, before: bytes, step: Step, end: End) -> None:
        """Write a step: its changes, and behind them its place, from which a client goes on that is cut off then."""
        events = [_event(change.cursor, encode(change.dump())) for change in step.changes]
        end.sent += len(events)
        await self._put(before + b"".join(events) + b"id: " + step.cursor.encode() + b"\n\n")

    async def _put(self, text: bytes) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await self.write(text)

    async def _take_leave(self, error: ServiceError | None, end: End) -> None:
        """Tell the client why this ends, and where to go on."""
        body = failure_body(error, self._request_record.request_id) if error else {"status": "OK"}
        cursor = self._follower.cursor
        body |= {"reason": end.reason, "next_cursor": cursor}
        await self._put(b"event: end\n" + _event(cursor, encode(body)))


def _event(cursor: str, data: bytes) -> bytes:
    return b"id: " + cursor.encode() + b"\ndata: " + data + b"\n\n"


class LaterAnswer(web.Response):
    """An answer that waits until something happens, or as long as the client wants to; until then it has nothing."""

    def __init__(self, streams: Streams, follower: Follower, beginning: Following, record: RequestRecord) -> None:
        nothing = encode(dump_changes(ChangesFound([], follower.cursor)))
        super().__init__(body=nothing, content_type="application/json", headers=HEADERS)
        self._streams, self._follower, self._beginning = streams, follower, beginning
        self._request_record = record

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Wait for what the answer is, and begin to send it."""
        with self._streams.following("waited", self._request_record) as end:
            self.body = await self._wait(end)
        return await super().prepare(request)

    async def _wait(self, end: End) -> bytes:
        asked = self._beginning.request
        found = ChangesFound([], self._follower.cursor)
        try:
            async with aclosing(self._follower.follow(monotonic() + asked.wait)) as steps:
                async for step in steps:
                    found = _cut(step, asked.page_size)
                    if found.changes:
                        break
                    end.go_on()
        except Exception as error:
            failure = end.told(error)
            if failure is not None:
                self.set_status(status_of(type(failure)))
                self.headers.update(failure_headers(failure))
                return encode(failure_body(failure, self._request_record.request_id))
            found = ChangesFound([], self._follower.cursor)
        end.sent = len(found.changes)
        return encode(dump_changes(found))


def _cut(step: Step, size: int | None) -> ChangesFound:
    changes = [*step.changes][:size]
    return ChangesFound(changes, step.cursor if len(changes) == len(step.changes) else changes[-1].cursor)
