"""Reasons for which no answer came, in sentences that say what helps."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Final

import httpx

_NOT_CONNECTED: Final = (httpx.ConnectError, httpx.ConnectTimeout)

_ENDED: Final = "the connection ended before the answer did. Whether it was done is not known; see, and try again."
_NOT_HTTP: Final = "what it answers is not HTTP. See that the address and its scheme are right."
_PROXY: Final = "the proxy that HTTPS_PROXY or HTTP_PROXY names does not let this through. NO_PROXY leaves hosts out."
_REFUSED: Final = "nothing accepts connections there. See that it runs, and that the port is right."
_TOO_LATE: Final = "it did not answer in time. See that it runs, and that nothing on the way drops what is sent."
_UNKNOWN_NAME: Final = (
    "the name of its host is not known. See that the address is right, and that this machine has a network."
)


def reason_of(error: BaseException, *, by_proxy: bool = False) -> str:
    """Return the reason for which no answer came.

    Args:
        error: what httpx raised, with what it was caused by.
        by_proxy: True if the way led to a proxy.
    """
    causes = [*_causes(error)]
    if tls := [each for each in causes if isinstance(each, ssl.SSLError)]:
        return _tls_reason(tls)
    if isinstance(error, httpx.ProxyError) or (by_proxy and isinstance(error, _NOT_CONNECTED)):
        return _PROXY
    if any(isinstance(each, socket.gaierror) for each in causes):
        return _UNKNOWN_NAME
    if isinstance(error, httpx.TimeoutException | TimeoutError):
        return _TOO_LATE
    if any(isinstance(each, ConnectionRefusedError) for each in causes):
        return _REFUSED
    if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
        return _ENDED if "disconnected" in str(error) or "closed connection" in str(error) else _NOT_HTTP
    if isinstance(error, httpx.NetworkError) and not isinstance(error, httpx.ConnectError):
        return _ENDED
    told = [each.strerror for each in causes if isinstance(each, OSError) and each.strerror]
    return f"{(told or [str(error) or type(error).__name__])[-1].rstrip('.')}. See that the address is right."


def _tls_reason(errors: list[ssl.SSLError]) -> str:
    for error in errors:
        if isinstance(error, ssl.SSLCertVerificationError):
            why = (getattr(error, "verify_message", "") or "it is not trusted").removesuffix(".")
            return (
                f"its certificate is not good: {why}. If it is of an authority of your own, let SSL_CERT_FILE name the"
                " file of that."
            )
    return "it does not speak TLS there as this does. See that the address and its port are right."


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what caused it, the last cause last."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                yield from _causes(each)
        error = error.__cause__ or error.__context__
