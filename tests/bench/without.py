"""The service without one of its steps, to see what that costs: `python -m tests.bench.without STEP` is its `serve`."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final

from aiohttp.web_protocol import RequestHandler

from service.__main__ import main
from service.authentication.bearer import Authentication, Known
from service.deadlines import Deadlines
from service.http import middleware
from service.http.server.connection import _Protocol
from service.schemas.request import RequestSchema


def _statement() -> None:
    known: dict[bytes, Known | None] = {}
    find = Authentication._find

    async def remembered(self: Authentication, digests: Sequence[bytes]) -> list[Known | None]:
        unknown = [digest for digest in digests if digest not in known]
        if unknown:
            known.update(zip(unknown, await find(self, unknown), strict=True))
        await asyncio.sleep(0)
        return [known[digest] for digest in digests]

    _replace(Authentication, "_find", remembered)


def _schema() -> None:
    requests: dict[Any, Any] = {}
    read = RequestSchema.read

    def remembered(self: RequestSchema, values: Any) -> Any:
        key = values.get("job_id")
        if key not in requests:
            requests[key] = read(self, values)
        return requests[key]

    _replace(RequestSchema, "read", remembered)


def _line() -> None:
    class Silent:
        def info(self, *_: object, **__: object) -> None:
            pass

    end = middleware._end
    _replace(middleware, "_end", lambda request, record, seconds, requests, _: end(
        request, record, seconds, requests, Silent()  # type: ignore[arg-type] # all that is asked of it
    ))  # fmt: skip


def _replace(target: object, name: str, instead: Any) -> None:
    setattr(target, name, instead)


def _nothing(*_: object) -> None:
    pass


STEPS: Final[dict[str, Callable[[], None]]] = {
    "nothing": lambda: None,
    "statement": _statement,
    "ended": lambda: _replace(middleware._Ended, "note", _nothing),
    "line": _line,
    "deadline": lambda: _replace(Deadlines, "begin", lambda _: nullcontext()),
    "protocol": lambda: _replace(_Protocol, "data_received", RequestHandler.data_received),
    "schema": _schema,
}
"""What is left out, and how: mostly what is remembered takes its place."""

if __name__ == "__main__":
    STEPS[sys.argv[1]]()
    sys.argv[1:] = ["serve"]
    main()
