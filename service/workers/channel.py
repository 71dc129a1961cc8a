"""The channel between the parent and a worker: JSON messages, one a line, over a pair of sockets."""

import asyncio
import socket
from typing import Any, Final

import orjson

MAX_MESSAGE: Final = 2**24
"""Bytes of a message, such as the metrics of a worker, which take a hundredth of it."""


class Channel:
    """One end of the channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> "Channel":
        """Open one end of a pair of sockets."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=MAX_MESSAGE))

    @property
    def clear(self) -> bool:
        """True if the other process has taken all that was sent."""
        return self._writer.transport.get_write_buffer_size() == 0

    def send(self, kind: str, **values: Any) -> None:
        """Send a message, which is lost if the other process is gone."""
        if not self._writer.is_closing():
            self._writer.write(orjson.dumps({"kind": kind, **values}) + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        """Return the next message, None once the other process has ended."""
        try:
            line = await self._reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            return None
        message: dict[str, Any] = orjson.loads(line)
        return message

    async def close(self) -> None:
        """Send what is left, and close this end."""
        try:
            await self._writer.drain()
            self._writer.close()
            await self._writer.wait_closed()
        except OSError:  # the other process is gone
            pass
