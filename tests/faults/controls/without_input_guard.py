"""The controls: a service with one of its guards against hostile input taken out, which WITHOUT names."""

import os
from typing import Any, Final

import structlog
from aiohttp import web

from service.__main__ import main
from service.errors import Internal, ServiceError
from service.http import middleware
from service.http.request_log import RequestLog
from service.http.server import connection as protocol
from service.telemetry.request_record import RequestRecord

MODULE: Final = __name__
"""To be run in the place of `service`."""

log = structlog.get_logger()
as_service_error = middleware.as_service_error
write = RequestLog.write


def _told(exception: Exception, record: RequestRecord) -> ServiceError:
    """as_service_error, which takes a body that is no JSON for a fault of the service's own, and tells of it."""
    if isinstance(exception.__cause__, ValueError):
        return Internal(f"Traceback (most recent call last): {exception.__cause__!r}")
    return as_service_error(exception, record)


def _logged(self: RequestLog, request: web.Request, *others: Any) -> None:
    """RequestLog.write, which also logs the credentials as they came."""
    log.info("credentials", authorization=request.headers.get("Authorization"))
    write(self, request, *others)


def _never(_: object) -> None:
    """A head is waited for as long as it takes."""


GUARDS: Final[dict[str, tuple[object, str, object]]] = {
    "one shape of failures": (middleware, "as_service_error", _told),
    "logs without secrets": (RequestLog, "write", _logged),
    "a time for heads": (protocol.HttpConnection, "_time_out_head", _never),
}
"""What is put in the place of what, by what it takes out."""


if __name__ == "__main__":
    owner, name, replacement = GUARDS[os.environ["WITHOUT"]]
    setattr(owner, name, replacement)
    main()
