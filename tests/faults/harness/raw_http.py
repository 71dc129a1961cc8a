"""A raw HTTP client: it sends any bytes, and parses responses as strictly as the standard has them."""

import re
import select
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

TIMEOUT: Final = 20.0
"""Seconds to wait for a response: more than the service itself waits for anything."""
BODYLESS_STATUSES: Final = (204, 304)


class MalformedResponse(Exception):
    """The bytes received are no valid HTTP response; the message says why."""


class ResponseTimeout(Exception):
    """Neither a response nor the end of the connection came in time."""


@dataclass(frozen=True)
class Response:
    """One response."""

    status: int
    headers: dict[str, str]
    """Values by the name in lower case."""
    body: bytes
    raw: bytes
    """The whole response as it was received."""

    @property
    def closes(self) -> bool:
        """True if the connection is closed after this response."""
        return self.headers.get("connection") == "close" or self.raw.startswith(b"HTTP/1.0")


class RawConnection:
    """One connection to a server."""

    def __init__(self, address: tuple[str, int], timeout: float = TIMEOUT) -> None:
        self._socket = socket.create_connection(address, timeout=timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        """Bytes that were received and not parsed yet."""

    def send(self, pieces: Iterable[bytes], pause: float = 0) -> bool:
        """Send pieces with pauses between; return whether all could be sent, as the peer may have closed before."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
                if pause:
                    time.sleep(pause)
        except OSError:
            return False
        return True

    def shut_down_writing(self) -> None:
        """Close the sending half of the connection."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def read_response(self, method: str = "GET") -> Response | None:
        """Return the next response other than 100 Continue; None if the connection ended instead.

        Raises:
            MalformedResponse: the bytes received are no valid response.
            ResponseTimeout: nothing came in time.
        """
        head = self._read_until(b"\r\n\r\n")
        if head is None:
            return None
        status, headers = _parse_head(head)
        if status == 100:
            return self.read_response(method)
        bodiless = status in BODYLESS_STATUSES or (method == "HEAD" and not head.startswith(b"HTTP/1.0 400"))
        size = 0 if bodiless else _content_length(headers)  # a malformed request has no method
        while len(self.unread) < size:
            if not self._receive():
                raise MalformedResponse(f"{len(self.unread)} of {size} bytes came, then the end")
        body, self.unread = self.unread[:size], self.unread[size:]
        return Response(status, headers, body, head + body)

    def reaches_end(self) -> bool:
        """Wait for the end of the connection; return whether it ended without another byte.

        Raises:
            ResponseTimeout: it did not end in time.
        """
        return not self.unread and not self._receive()

    def is_closed_by_peer(self) -> bool:
        """Return whether the peer has closed the connection, even if bytes are still unread."""
        poll = select.poll()
        poll.register(self._socket, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
        return bool(poll.poll(0))

    def _read_until(self, mark: bytes) -> bytes | None:
        while mark not in self.unread:
            if not self._receive():
                if self.unread:
                    raise MalformedResponse(f"it ended within a head: {self.unread[:200]!r}")
                return None
        head, _, self.unread = self.unread.partition(mark)
        return head + mark

    def _receive(self) -> bool:
        try:
            data = self._socket.recv(262_144)
        except TimeoutError as error:
            raise ResponseTimeout from error
        except OSError:
            return False  # a reset: the peer closed with bytes of ours unread
        self.unread += data
        return bool(data)

    def close(self) -> None:
        self._socket.close()


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    status = re.fullmatch(r"HTTP/\d\.\d (\d{3}) [ -~]*", first)
    if not status:
        raise MalformedResponse(f"no status line: {first[:200]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        field = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([ -~]*)", line)
        if not field or field[1].lower() in headers:
            raise MalformedResponse(f"no header, or the same again: {line[:200]!r}")
        headers[field[1].lower()] = field[2]
    return int(status[1]), headers


def _content_length(headers: dict[str, str]) -> int:
    """Return the length of a body; this service sends none in chunks."""
    if not headers.get("content-length", "").isdecimal() or "transfer-encoding" in headers:
        raise MalformedResponse(f"no length: {headers}")
    return int(headers["content-length"])
