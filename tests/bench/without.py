"""The service without one of its steps, to measure its cost: `python -m tests.bench.without STEP` is its `serve`."""

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final

from aiohttp.web_protocol import RequestHandler

from service.__main__ import main
from service.authentication.bearer import Authentication
from service.database.reused_connection import ReusedConnection
from service.deadlines import Deadlines
from service.http.admission import AdmissionController
from service.http.request_log import RequestLog
from service.http.server import listener
from service.http.server.connection import HttpConnection
from service.http.server.unopened import UnopenedSockets
from service.identity import Caller
from service.schemas.request import RequestSchema


def _statement() -> None:
    known: dict[bytes, Caller | None] = {}
    find = Authentication._find

    async def remembered(
        self: Authentication, reused: ReusedConnection, digests: Sequence[bytes]
    ) -> list[Caller | None]:
        unknown = [digest for digest in digests if digest not in known]
        if unknown:
            known.update(zip(unknown, await find(self, reused, unknown), strict=True))
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

    make = RequestLog.__init__

    def silent(self: RequestLog, *arguments: Any) -> None:
        make(self, *arguments)
        self._log = Silent()

    _replace(RequestLog, "__init__", silent)


def _replace(target: object, name: str, instead: Any) -> None:
    setattr(target, name, instead)


def _holding() -> None:
    """Refuse as it was done before: what comes beyond MAX_REQUESTS, once it is parsed, and after what is under way."""
    deferred: deque[Any] = deque()

    def read_deferred() -> None:
        for _ in range(min(64, len(deferred))):
            deferred.popleft().begin_held()
        if deferred:
            asyncio.get_running_loop().call_soon(read_deferred)

    def hold(_: AdmissionController, connection: Any, __: bytes) -> bool:
        if not deferred:
            asyncio.get_running_loop().call_soon(read_deferred)
        deferred.append(connection)
        return True

    _replace(AdmissionController, "holds", AdmissionController.full)
    _replace(AdmissionController, "hold", hold)
    _replace(listener, "UNOPENED_PER_TURN", listener.ACCEPTS_PER_TURN)
    _replace(UnopenedSockets, "add", lambda self, accepted: self.open(accepted, None))


def _nothing(*_: object) -> None:
    pass


STEPS: Final[dict[str, Callable[[], None]]] = {
    "nothing": lambda: None,
    "statement": _statement,
    "ended": lambda: _replace(RequestLog, "end", _nothing),
    "line": _line,
    "deadline": lambda: _replace(Deadlines, "begin", lambda _: nullcontext()),
    "protocol": lambda: _replace(HttpConnection, "data_received", RequestHandler.data_received),
    "schema": _schema,
    "refusal": lambda: _replace(HttpConnection, "_refused", lambda *_: False),
    "deferral": lambda: _replace(AdmissionController, "hold", lambda *_: False),
    "holding": _holding,
}
"""The steps, each with the function that removes it; most are replaced by a cached result."""

if __name__ == "__main__":
    STEPS[os.environ.get("WITHOUT") or sys.argv[1]]()
    sys.argv[1:] = ["serve"]
    main()
