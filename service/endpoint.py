"""The only HTTP adapter: who calls, what do they ask for, run the operation, dump its answer."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from service.authentication import Authentication
from service.call import Call, Outcome
from service.conditions import entity_tag, expectation, not_modified
from service.database import Database
from service.kept import KeptAnswer, KeptAnswers
from service.observation import Observation
from service.pagination import Pages
from service.reading import Reader
from service.repositories.audit import Actor
from service.routes import Route
from service.token_use import TokenUse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

AUTHENTICATION = web.AppKey("authentication", Authentication)
DATABASE = web.AppKey("database", Database)
KEPT = web.AppKey("kept", KeptAnswers)
TOKEN_USE = web.AppKey("token_use", TokenUse)
OBSERVATION = web.RequestKey("observation", Observation)


def endpoint(route: Route) -> Handler:
    """The aiohttp handler of one row of the method table."""
    reader = Reader(route.request())

    async def handle(request: web.Request) -> web.Response:
        database, observation, answers = request.app[DATABASE], request[OBSERVATION], request.app[KEPT]
        known = await request.app[AUTHENTICATION].authenticate(request.headers.get("Authorization"))
        caller = known.caller
        observation.organization_id, observation.user_id = caller.organization_id, caller.user_id
        request.app[TOKEN_USE].note(caller)
        may_keep = route.kept and not request.query_string
        key = (caller.user_id, caller.scopes)
        if may_keep and "no-cache" not in request.headers.get("Cache-Control", ""):
            kept = answers.find(key, known.revisions, known.now)
            if kept is not None:
                return _readable(request, kept.body, kept.tag)
        arguments = await reader.read(request)
        actor = Actor(caller.username, caller.user_id, caller.token_id, observation.request_id)
        call = Call(caller, actor, database, Pages(known.digest), expectation(request, route, encode))
        result = await database.run(lambda: route.operation(call, arguments), only_reads=route.only_reads)
        if route.only_reads:
            body = encode(route.dump(result))
            tag = entity_tag(body)
            # What was read at another state than the caller is known at is not kept: their very role may be another.
            if may_keep and result.as_of is not None and result.as_of.revisions == known.revisions:
                answers.keep(key, KeptAnswer(body, tag, result.as_of))
            return _readable(request, body, tag)
        return _changed(request, route, result)

    return handle


def _readable(request: web.Request, body: bytes, tag: str) -> web.Response:
    """The answer to a read, or that the client has it already."""
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if not_modified(request, tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, headers=headers, content_type="application/json")


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
    if route.dump is route.matches:
        headers["ETag"] = entity_tag(body)
    return web.Response(body=body, status=201 if created else 200, headers=headers, content_type="application/json")


def encode(body: dict[str, Any]) -> bytes:
    """JSON; times in UTC, and whatever orjson does not know, such as asyncpg's UUID, as its text."""
    return orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z)


def json_response(body: dict[str, Any], status: int = 200) -> web.Response:
    """An answer of a JSON object."""
    return web.Response(body=encode(body), status=status, content_type="application/json")
