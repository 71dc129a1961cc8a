"""The only HTTP adapter: who calls, what do they ask for, run the operation, dump its answer."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from service.authentication import Authentication
from service.call import Call, Outcome
from service.conditions import entity_tag, expectation, not_modified
from service.database import Database
from service.observation import Observation
from service.pagination import Pages
from service.reading import Reader
from service.repositories.audit import Actor
from service.routes import Route
from service.token_use import TokenUse

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

AUTHENTICATION = web.AppKey("authentication", Authentication)
DATABASE = web.AppKey("database", Database)
TOKEN_USE = web.AppKey("token_use", TokenUse)
OBSERVATION = web.RequestKey("observation", Observation)


def endpoint(route: Route) -> Handler:
    """The aiohttp handler of one row of the method table."""
    reader = Reader(route.request())

    async def handle(request: web.Request) -> web.Response:
        database, observation = request.app[DATABASE], request[OBSERVATION]
        caller, secret = await request.app[AUTHENTICATION].authenticate(request.headers.get("Authorization"))
        observation.organization_id, observation.user_id = caller.organization_id, caller.user_id
        request.app[TOKEN_USE].note(caller)
        arguments = await reader.read(request)
        actor = Actor(caller.username, caller.user_id, caller.token_id, observation.request_id)
        call = Call(caller, actor, database, Pages(secret), expectation(request, route, encode))
        result = await database.run(lambda: route.operation(call, arguments), only_reads=route.only_reads)
        return _respond(request, route, result)

    return handle


def _respond(request: web.Request, route: Route, result: Any) -> web.Response:
    """The answer to a success: its status, what it says, where that is found, and a tag to recognise it by."""
    created = route.location is not None
    location = route.location
    if isinstance(result, Outcome):
        result, created, location = result.value, result.created, request.path
    answer = route.dump(result)
    body = encode(answer)
    headers = {}
    if created and location is not None:
        headers["Location"] = location.format(**answer)
    if route.only_reads or route.dump is route.matches:
        headers["ETag"] = entity_tag(body)
    if route.only_reads:
        headers["Cache-Control"] = "private, no-cache"
        if not_modified(request, headers["ETag"]):
            return web.Response(status=304, headers=headers)
    return web.Response(body=body, status=201 if created else 200, headers=headers, content_type="application/json")


def encode(body: dict[str, Any]) -> bytes:
    """JSON; times in UTC, and whatever orjson does not know, such as asyncpg's UUID, as its text."""
    return orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z)


def json_response(body: dict[str, Any], status: int = 200) -> web.Response:
    """An answer of a JSON object."""
    return web.Response(body=encode(body), status=status, content_type="application/json")
