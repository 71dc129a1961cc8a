"""The heads of requests: the bytes that one may have, and all that have come in part may have together.

The parser bounds each line, and their number; together they may be a megabyte, which takes twice as much once it is
parsed, for as long as the request is under way. And it keeps what has come of a head, from clients that are not known.
"""

from collections.abc import Iterable
from typing import Any, Final

from aiohttp.http import RawRequestMessage

HEADER_LINES: Final = 4
"""Header lines of the longest kind that a whole head has room for, as in other servers."""
MAX_PARTIAL_BYTES: Final = 8 * 2**20
"""Bytes of heads that have come in part, of all connections, beyond which no long one is waited for."""
LONG_HEAD: Final = 4_096
"""Bytes of a head that is long; shorter ones are always waited for, so that slow clients feel nothing of others."""


class HeadTooLong(Exception):
    """A head, or all that wait on one connection, has more bytes than may be."""


class Heads:
    """Bounds the heads of requests on the connections of a server."""

    def __init__(self, max_header_bytes: int, max_url_bytes: int | None) -> None:
        """Bound them by the limits of one header line and, in errors that name it, of the address."""
        self.max_bytes: Final = HEADER_LINES * max_header_bytes
        self.max_url_bytes: Final = max_url_bytes
        self.partial: Final[dict[object, int]] = {}
        """The connections of which a head has come in part, with the bytes of that."""
        self.bytes = 0

    def fits(self, connection: object, size: int) -> bool:
        """Count more bytes of a head that is not whole; return whether the rest may come, too."""
        counted = self.partial[connection] = self.partial.get(connection, 0) + size
        self.bytes += size
        return counted <= (LONG_HEAD if self.bytes > MAX_PARTIAL_BYTES else self.max_bytes)

    def forget(self, connection: object) -> None:
        """Count nothing for a connection any more: its head is whole, or it has ended."""
        self.bytes -= self.partial.pop(connection, 0)

    def fit(self, messages: Iterable[tuple[Any, Any]]) -> bool:
        """Return whether the heads of some requests are short enough together."""
        return sum(_size(message) for message, _ in messages) <= self.max_bytes


def _size(message: Any) -> int:
    """Return about the bytes that a request's head had."""
    if not isinstance(message, RawRequestMessage):
        return 0
    return len(message.path) + sum(len(name) + len(value) + 4 for name, value in message.raw_headers)


def is_head(data: bytes, message: RawRequestMessage) -> bool:
    """Return whether some bytes are the head of that request and nothing else."""
    return data.startswith(message.method.encode()) and data.find(b"\r\n\r\n") == len(data) - 4
