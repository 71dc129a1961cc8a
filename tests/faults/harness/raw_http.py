"""HTTP by hand: sends any bytes, and reads answers as strictly as they should have been written."""

import re
import select
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

PATIENCE: Final = 20.0
"""Seconds to wait for an answer: more than the service itself waits for anything."""
NO_BODY: Final = (204, 304)


class Broken(Exception):
    """What came is not what an HTTP server may send; the sentence says what."""


class Hung(Exception):
    """Neither an answer nor an end came in time."""


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes
    raw: bytes
    """All of it, as it came."""

    @property
    def closes(self) -> bool:
        return self.headers.get("connection") == "close" or self.raw.startswith(b"HTTP/1.0")


class Wire:
    """One connection."""

    def __init__(self, address: tuple[str, int], patience: float = PATIENCE) -> None:
        self._socket = socket.create_connection(address, timeout=patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.left = b""
        """What has come and was not read."""

    def send(self, pieces: Iterable[bytes], pause: float = 0) -> bool:
        """Whether all pieces could be sent: the other side may have left before."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
                if pause:
                    time.sleep(pause)
        except OSError:
            return False
        return True

    def end_sending(self) -> None:
        """Close this half of the connection."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET") -> Answer | None:
        """The next answer, but none that only says to go on; None if the connection ended instead.

        Raises:
            Broken, Hung
        """
        head = self._until(b"\r\n\r\n")
        if head is None:
            return None
        status, headers = _parsed(head)
        if status == 100:
            return self.answer(method)
        bodiless = status in NO_BODY or (method == "HEAD" and not head.startswith(b"HTTP/1.0 400"))
        size = 0 if bodiless else _length(headers)  # what never became a request has no method
        while len(self.left) < size:
            if not self._more():
                raise Broken(f"{len(self.left)} of {size} bytes came, then the end")
        body, self.left = self.left[:size], self.left[size:]
        return Answer(status, headers, body, head + body)

    def ends(self) -> bool:
        """Whether the connection ends, with nothing more sent on it.

        Raises:
            Hung
        """
        return not self.left and not self._more()

    def gone(self) -> bool:
        """Whether the other side has ended the connection, whatever is still to be read."""
        poll = select.poll()
        poll.register(self._socket, select.POLLHUP | select.POLLERR | select.POLLRDHUP)
        return bool(poll.poll(0))

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self.left:
            if not self._more():
                if self.left:
                    raise Broken(f"it ended within a head: {self.left[:200]!r}")
                return None
        head, _, self.left = self.left.partition(mark)
        return head + mark

    def _more(self) -> bool:
        try:
            data = self._socket.recv(262_144)
        except TimeoutError as error:
            raise Hung from error
        except OSError:
            return False  # reset: it closed with bytes of ours unread
        self.left += data
        return bool(data)

    def close(self) -> None:
        self._socket.close()


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    status = re.fullmatch(r"HTTP/\d\.\d (\d{3}) [ -~]*", first)
    if not status:
        raise Broken(f"no status line: {first[:200]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        field = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([ -~]*)", line)
        if not field or field[1].lower() in headers:
            raise Broken(f"no header, or the same again: {line[:200]!r}")
        headers[field[1].lower()] = field[2]
    return int(status[1]), headers


def _length(headers: dict[str, str]) -> int:
    """Of a body; this service sends none in chunks."""
    if not headers.get("content-length", "").isdecimal() or "transfer-encoding" in headers:
        raise Broken(f"no length: {headers}")
    return int(headers["content-length"])
