"""Failures of calls to a server: what it refused, by its own sentence, and what stood in the way of asking it."""

import json
import re
import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from marshmallow.fields import List

from service import errors
from service.errors import Internal, PermissionDenied, ServiceError, StartupError, Unauthenticated, Unavailable
from service.http.routes import Route

_KINDS: Final[Mapping[str, type[ServiceError]]] = {
    kind.code: kind
    for kind in (
        errors.InvalidArgument,
        errors.FailedPrecondition,
        errors.Unauthenticated,
        errors.PermissionDenied,
        errors.NotFound,
        errors.AlreadyExists,
        errors.Aborted,
        errors.ResourceExhausted,
        errors.Internal,
        errors.Unavailable,
        errors.DeadlineExceeded,
    )
}
"""The errors by the codes that answers tell them by."""

_LONGEST: Final = 10_000
"""Characters of a sentence that is shown."""


def failure_of(url: str, status: int, headers: Mapping[str, str], body: dict[str, Any]) -> ServiceError:
    """Return the error that an answer tells of.

    Args:
        url: of the server.
        status: of HTTP.
        headers: of the answer.
        body: what was answered; empty if it is no JSON object.
    """
    if not isinstance(body.get("msg"), str) or not isinstance(body.get("code"), str):
        return _from_between(url, status, headers)
    message, code = body["msg"][:_LONGEST], body["code"]
    if status in {404, 405} and code in {"UNIMPLEMENTED", "NOT_FOUND"} and _is_of_addresses(message):
        return _unavailable(f"The server {url} does not know this call: it is of another version than this program.")
    if status == 412:
        return errors.PreconditionFailed(message)
    error = _KINDS.get(code, Internal)(message, details=_details(body.get("details")))
    error.retry_after = retry_after(headers)
    if isinstance(error, Unauthenticated):
        error.message = f"{message} `flow-pipelines login {url}` keeps another token."
    elif isinstance(error, PermissionDenied) and "insufficient_scope" in headers.get("WWW-Authenticate", ""):
        error.message = f"{message} (It is the token that lacks a scope.)" if "scope" not in message else message
    elif error.service_fault and isinstance(body.get("request_id"), str):
        error.message = f"{message} Its request id is {body['request_id'][:200]}."
    return error


def _is_of_addresses(message: str) -> bool:
    return message.startswith(("There is nothing at this address", "This address"))


def _details(found: object) -> dict[str, list[str]] | None:
    if not isinstance(found, dict):
        return None
    return {str(name): [str(each) for each in told] for name, told in found.items() if isinstance(told, list)}


def retry_after(headers: Mapping[str, str]) -> int | None:
    """Return the seconds that an answer asks to wait for."""
    given = headers.get("Retry-After", "")
    return int(given) if re.fullmatch("[0-9]{1,6}", given) else None


def _from_between(url: str, status: int, headers: Mapping[str, str]) -> ServiceError:
    """Return the error for an answer that something else than the service has given."""
    if 300 <= status < 400:
        where = headers.get("Location", "another address")[:200]
        return _unavailable(f"{url} sends on to {where}, where the token is not sent: give the address that is meant.")
    if status in {502, 503, 504}:
        wait = retry_after(headers)
        return _unavailable(f"What stands before {url} answered {status}: the service is not there now.", wait)
    return _unavailable(
        f"{url} answered {status}, and not as the service does: see that it is its address, and what stands before it."
    )


def _unavailable(sentence: str, wait: int | None = None) -> ServiceError:
    """Return the error of a sentence; without a wait, asking again soon does not help."""
    error: ServiceError = Unavailable(sentence)
    error.retry_after = wait
    return error


def unreachable(url: str, error: BaseException) -> Unavailable:
    """Return the error for a server that can't be reached, or was lost; its sentence says why, and what helps."""
    return Unavailable(f"The server {url} can't be reached: {_reason(error)}")


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return _tls_reason(error)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name of its host is not known. See that the address is right, and that this machine has a network."
    if isinstance(error, TimeoutError):
        return "it did not answer in time. See that it runs, and that nothing on the way drops what is sent."
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return "the proxy that HTTPS_PROXY or HTTP_PROXY names does not let this through. NO_PROXY leaves hosts out."
    os_error = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(os_error, ConnectionRefusedError):
        return "nothing accepts connections there. See that it runs, and that the port is right."
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the connection ended before the answer did. Whether it was done is not known; see, and try again."
    if isinstance(error, aiohttp.ClientResponseError):
        return "what it answers is not HTTP. See that the address and its scheme are right."
    reason = getattr(os_error, "strerror", None)
    return f"{reason or type(error).__name__}. See that the address is right."


def _tls_reason(error: BaseException) -> str:
    inner: object = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(inner, ssl.SSLCertVerificationError):
        why = (inner.verify_message or "it is not trusted").removesuffix(".")
        return (
            f"its certificate is not good: {why}. If it is of an authority of your own, let SSL_CERT_FILE name the file"
            " of that."
        )
    return "it does not speak TLS there as this does. See that the address and its port are right."


def parse_body(content: bytes) -> dict[str, Any]:
    """Return an answer that is a JSON object; an empty one if it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def is_answer(route: Route, body: dict[str, Any]) -> bool:
    """Return whether an answer has what those of a route must have."""
    fields = route.answer().dump_fields
    return all(
        isinstance(body.get(field.data_key or name), list)
        if isinstance(field, List)
        else (field.data_key or name) in body
        for name, field in fields.items()
        if field.required
    )


def too_large(url: str) -> StartupError:
    """Return the error for an answer that never ends."""
    return StartupError(f"{url} answered more than any answer of the service has: see that it is its address.")
