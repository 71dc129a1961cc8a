"""The only HTTP adapter: who calls, what do they ask for, run the operation, dump its answer."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from service.authentication import authenticate
from service.call import Call
from service.database import Database
from service.observation import Observation
from service.reading import read_arguments
from service.routes import Route

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

DATABASE = web.AppKey("database", Database)
OBSERVATION = web.RequestKey("observation", Observation)


def endpoint(route: Route) -> Handler:
    """The aiohttp handler of one row of the method table."""
    schema = route.request()

    async def handle(request: web.Request) -> web.Response:
        database, observation = request.app[DATABASE], request[OBSERVATION]

        async def answer() -> Any:
            return await route.operation(call, arguments)

        caller = await database.run(
            lambda: authenticate(database, request.headers.get("Authorization")), only_reads=True
        )
        observation.organization_id, observation.user_id = caller.organization_id, caller.user_id
        arguments = await read_arguments(request, schema)
        call = Call(caller, database, observation.request_id)
        result = await database.run(answer, only_reads=route.only_reads)
        return json_response(route.dump(result), route.status)

    return handle


def json_response(body: dict[str, Any], status: int = 200) -> web.Response:
    """An answer of a JSON object; whatever orjson does not know, such as a subclass of UUID, is its text."""
    return web.Response(body=orjson.dumps(body, default=str), status=status, content_type="application/json")
