"""What each step of a list from memory costs: `python -m tests.bench.steps` leaves out one after the other.

Everything but the sockets and the statement is the service's own. The figures are the best of many rounds in turn, each
shorter than the time that a busy machine leaves a process to itself.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import uuid4

import structlog
import uvloop
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from service import endpoint, middleware
from service.app import ENDPOINTS, create_app
from service.authentication import Caller, Known, bearer_token, token_digest
from service.database import Database, timed
from service.deadline import Deadlines
from service.endpoint import Readable
from service.health import Health
from service.logs import configure_logs
from service.metrics import Requests
from service.permissions import Role
from service.repositories.revisions import AsOf
from service.settings import read_settings
from service.token_use import TokenUse

LIST = "/api/v1/flow/pipeline"
ROUNDS, CALLS = 1500, 10
BODY = b"x" * 3000
CALLER = Caller(Role.MEMBER, None, uuid4(), uuid4(), "ada", uuid4())
KNOWN = Known(CALLER, b"x" * 32, (1, 2, 3, 4), datetime.now(UTC))
ANSWER = Readable(BODY, '"tag"')


def main() -> None:
    stdout, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
    configure_logs(replace(read_settings(), log_format="json"))
    best = uvloop.run(measure())
    everything = best["everything"]
    print("| step | µs |", "|---|---|", sep="\n", file=stdout)
    for step, seconds in best.items():
        cost = seconds if step in ("everything", "bare aiohttp") else everything - seconds
        print(f"| {step} | {cost * 1e6:.1f} |", file=stdout)


async def measure() -> dict[str, float]:
    """The least that a call took, in seconds, whole and without each of its steps."""
    service, bare = _service(), _bare()
    best: dict[str, float] = {}
    for _ in range(ROUNDS):
        for step, app in (("bare aiohttp", bare), ("everything", service)):
            best[step] = min(best.get(step, 1), await _seconds(app, nullcontext))
        for step, left_out in STEPS.items():
            best[step] = min(best.get(step, 1), await _seconds(service, left_out))
    return best


async def _seconds(app: web.Application, left_out: Callable[[], Any]) -> float:
    request = make_mocked_request("GET", LIST, headers={"Authorization": f"Bearer fp_{'a' * 64}", "Host": "localhost"})
    request._protocol = SimpleNamespace(transport=SimpleNamespace(is_closing=lambda: False))  # type: ignore[assignment] # all that is asked of it
    with left_out():
        started = perf_counter()
        for _ in range(CALLS):
            await app._handle(request)
        return (perf_counter() - started) / CALLS


def _bare() -> web.Application:
    app = web.Application()

    async def constant(_: web.Request) -> web.Response:
        return web.Response(body=BODY, content_type="application/json")

    app.router.add_get(LIST, constant)
    app.freeze()
    return app


def _service() -> web.Application:
    database = mock.create_autospec(Database)
    app = create_app(read_settings(), database, mock.create_autospec(Health))

    async def authenticate(authorization: str | None) -> Known:
        token_digest(bearer_token(authorization))
        with timed():
            return KNOWN

    app[ENDPOINTS].authentication.authenticate = authenticate  # type: ignore[method-assign] # all but the statement
    app[ENDPOINTS].answers.keep(KNOWN, ANSWER, AsOf(KNOWN.revisions, None), len(BODY))
    app.freeze()
    return app


@contextmanager
def _without(target: object, name: str, instead: Any) -> Iterator[None]:
    with mock.patch.object(target, name, instead):
        yield


def _nothing(*_: object, **__: object) -> None:
    pass


async def _known(*_: object) -> Known:
    return KNOWN


CONSTANT = web.Response(body=BODY)
STEPS: dict[str, Callable[[], Any]] = {
    "counting it and writing its line": lambda: _without(middleware, "_end", _nothing),
    "of which counting it": lambda: _without(Requests, "ended", _nothing),
    "of which rendering and writing the line": lambda: _without(
        structlog.BoundLoggerBase, "_proxy_to_logger", _nothing
    ),
    "who calls, without the statement: digest, context": lambda: _without(endpoint.Endpoints, "_known", _known),
    "of which noting that the token was used": lambda: _without(TokenUse, "note", _nothing),
    "looking for the kept answer": lambda: _without(endpoint.Endpoints, "_kept", lambda *_: ANSWER),
    "building the response": lambda: _without(endpoint, "_readable", lambda *_: CONSTANT),
    "the deadline": lambda: _without(Deadlines, "begin", lambda _: nullcontext()),
}
"""Each step, and what is put in its place to leave it out."""


if __name__ == "__main__":
    main()
