"""Controls: a service without one of its guards against hostile input, which the environment's WITHOUT names."""

import os
from typing import Any, Final

import structlog
from aiohttp import web

from service.__main__ import main
from service.errors import Internal, InvalidArgument, ServiceError
from service.http import middleware
from service.http.request_log import RequestLog
from service.http.server import connection as protocol
from service.telemetry.request_record import RequestRecord

MODULE: Final = __name__
"""The module to run in the place of `service`."""

log = structlog.get_logger()
as_service_error = middleware.as_service_error
write = RequestLog.write


def _disclose_error(exception: Exception, record: RequestRecord) -> ServiceError:
    """Replace as_service_error; a body that is no JSON becomes an internal error whose message discloses it."""
    if isinstance(exception, InvalidArgument) and exception.details is None:
        return Internal(f"Traceback (most recent call last): {exception!r}")
    return as_service_error(exception, record)


def _log_credentials(self: RequestLog, request: web.Request, *others: Any) -> None:
    """Replace RequestLog.write, and log the header Authorization as it was sent."""
    sent = str(request.headers.get("Authorization"))
    log.info("unknown_setting", name=sent, nearest=sent)  # lines of an event that is unknown would be refused as such
    write(self, request, *others)


def _ignore_head_timeout(_: object) -> None:
    """Replace HttpConnection._time_out_head, so that a head may take any time."""


GUARDS: Final[dict[str, tuple[object, str, object]]] = {
    "uniform error bodies": (middleware, "as_service_error", _disclose_error),
    "no credentials in logs": (RequestLog, "write", _log_credentials),
    "a header timeout": (protocol.HttpConnection, "_time_out_head", _ignore_head_timeout),
}
"""The replacements (owner, attribute, new value), by the guard that each of them removes."""

SHOWS: Final = {
    "uniform error bodies": "it discloses internals",
    "no credentials in logs": "is in the log",
    "a header timeout": "was still open",
}
"""What violations say where each of the guards is removed."""


if __name__ == "__main__":
    owner, name, replacement = GUARDS[os.environ["WITHOUT"]]
    setattr(owner, name, replacement)
    main()
