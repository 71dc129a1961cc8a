"""The only HTTP adapter: who calls, what do they ask for, run the operation, dump its answer."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import orjson
from aiohttp import hdrs, web

from service.authentication.bearer import Authentication, Known, Recent
from service.authentication.last_use import TokenUse
from service.batching.cache import RevisionCache
from service.batching.job_updates import JobUpdates
from service.batching.pipeline_lists import PipelineListBatcher
from service.database.pool import Database
from service.errors import InvalidArgument, PreconditionFailed
from service.http.conditions import entity_tag, expectation, not_modified
from service.http.reader import Reader
from service.http.routes import Route
from service.operations.call import Call, Outcome, Shared, Unproved
from service.repositories.audit import Actor
from service.schemas.pages import Pages
from service.settings import Settings
from service.telemetry.request_record import RequestRecord, current_request

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_KEPT: Final = 16 * 2**20
"""Bytes of answers that are kept."""


class Readable(NamedTuple):
    """The answer to a read, and its tag."""

    body: bytes
    tag: str


class Endpoints:
    """Makes the aiohttp handlers of the method table's rows, which share what a process has but once."""

    def __init__(self, database: Database, token_use: TokenUse, settings: Settings) -> None:
        self._database = database
        self._token_use = token_use
        self.authentication = Authentication(database, settings.statement_timeout)
        self._recent = Recent()
        self.answers: RevisionCache[Readable] = RevisionCache(MOST_KEPT)
        self.pipeline_lists = PipelineListBatcher(database)
        self.job_updates = JobUpdates(database, self.pipeline_lists)

    def of(self, route: Route) -> Handler:
        """The handler of one row."""
        reader = Reader(route.request())

        async def handle(request: web.Request) -> web.Response:
            record = current_request()
            record.route = route.path
            authorization = request.headers.get(hdrs.AUTHORIZATION)
            if route.proves:
                changed = await self._presuming(request, route, reader, self._recent.find(authorization))
                if changed is not None:
                    return changed
            known = await self.authentication.authenticate(authorization)
            self._note(record, known)
            if route.proves:
                self._recent.note(known)
            may_keep = route.kept and "?" not in request.raw_path
            if may_keep:
                kept = self._kept(request, known)
                if kept is not None:
                    return _readable(request, kept)
            result = await self._result(request, route, reader, known)
            if not route.only_reads:
                return _changed(request, route, result)
            answer = _dumped(route, result)
            if may_keep and result.version is not None:
                self.answers.put(known, answer, result.version, len(answer.body))
            return _readable(request, answer)

        return handle

    async def _presuming(
        self, request: web.Request, route: Route, reader: Reader, known: Known | None
    ) -> web.Response | None:
        """The answer to a change, if it is still so that they call who did lately; None if that takes a question.

        What is wrong with a request is only said to those who are known.
        """
        if known is None:
            return None
        try:
            result = await self._result(request, route, reader, known, presumed=True)
        except (Unproved, InvalidArgument, PreconditionFailed):
            return None
        self._note(current_request(), known)
        return _changed(request, route, result)

    async def _result(
        self, request: web.Request, route: Route, reader: Reader, known: Known, *, presumed: bool = False
    ) -> Any:
        """What the operation gives."""
        call = self._call(request, route, known, presumed=presumed)
        arguments = await reader.read(request)
        return await self._database.run(lambda: route.operation(call, arguments), only_reads=route.only_reads)

    def _note(self, record: RequestRecord, known: Known) -> None:
        caller = known.caller
        record.organization_id, record.user_id = caller.organization_id, caller.user_id
        self._token_use.note(known)

    def _call(self, request: web.Request, route: Route, known: Known, *, presumed: bool) -> Call:
        caller = known.caller
        actor = Actor(caller.username, caller.user_id, caller.token_id, current_request().request_id)
        shared = Shared(known, presumed, self.pipeline_lists, self.job_updates)
        expect = expectation(request, route, encode)
        return Call(caller, actor, self._database, Pages(known.digest), expect, shared)

    def _kept(self, request: web.Request, known: Known) -> Readable | None:
        """The kept answer, if it is still what would be answered, and the caller does not want it made anew."""
        if "no-cache" in request.headers.get(hdrs.CACHE_CONTROL, ""):
            return None
        return self.answers.find(known)


def _dumped(route: Route, result: Any) -> Readable:
    body = encode(route.dump(result))
    return Readable(body, entity_tag(body))


def _readable(request: web.Request, answer: Readable) -> web.Response:
    """The answer to a read, or that the client has it already."""
    headers = {hdrs.ETAG: answer.tag, hdrs.CACHE_CONTROL: "private, no-cache"}
    if not_modified(request, answer.tag):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = "application/json"
    return web.Response(body=answer.body, headers=headers)


def _changed(request: web.Request, route: Route, result: Any) -> web.Response:
    """The answer to a change: what is there now, and where it is if it is new."""
    created, location = route.location is not None, route.location
    if isinstance(result, Outcome):
        result, created, location = result.value, result.created, request.path
    answer = route.dump(result)
    body = encode(answer)
    headers = {}
    if created and location is not None:
        headers["Location"] = location.format(**answer)
    if route.dump is route.etag_of:
        headers["ETag"] = entity_tag(body)
    return web.Response(body=body, status=201 if created else 200, headers=headers, content_type="application/json")


def encode(body: dict[str, Any]) -> bytes:
    """JSON; times in UTC, and whatever orjson does not know, such as asyncpg's UUID, as its text."""
    return orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z)


def json_response(body: dict[str, Any], status: int = 200) -> web.Response:
    """An answer of a JSON object."""
    return web.Response(body=encode(body), status=status, content_type="application/json")
