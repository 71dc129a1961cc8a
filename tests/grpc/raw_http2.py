"""A client of gRPC that takes no answer: frames of HTTP/2 by hand, as no library lets a window be nothing."""

import asyncio
import struct
from contextlib import suppress
from dataclasses import dataclass

DATA, HEADERS, SETTINGS, WINDOW_UPDATE = 0, 1, 4, 8
END_OF_STREAM, END_OF_HEADERS, ACKNOWLEDGED = 1, 4, 1
INITIAL_WINDOW_SIZE = 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def header(name: str, value: str) -> bytes:
    return b"\0" + _text(name.encode()) + _text(value.encode())


def _text(text: bytes) -> bytes:
    assert len(text) < 127, "a length in one byte"
    return bytes([len(text)]) + text


@dataclass
class Unread:
    """A connection whose streams have no window: answers wait on the server's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    streams: int = 0

    @classmethod
    async def connect(cls, port: int) -> "Unread":
        opened = cls(*await asyncio.open_connection("127.0.0.1", port))
        opened.writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        opened.writer.write(frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, 0)))
        opened.writer.write(frame(SETTINGS, ACKNOWLEDGED, 0, b""))
        return opened

    def call(self, path: str, token: str = "", message: bytes = b"") -> None:
        """Send a call of one message."""
        stream = 2 * self.streams + 1
        self.streams += 1
        fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers"}
        fields |= {"content-type": "application/grpc", **({"authorization": f"Bearer {token}"} if token else {})}
        block = b"".join(header(*each) for each in fields.items())
        self.writer.write(frame(HEADERS, END_OF_HEADERS, stream, block))
        self.writer.write(frame(DATA, END_OF_STREAM, stream, b"\0" + struct.pack(">I", len(message)) + message))

    def take(self) -> None:
        """Let everything come."""
        size = struct.pack(">I", 2**24)
        for stream in range(self.streams + 1):
            self.writer.write(frame(WINDOW_UPDATE, 0, 2 * stream - 1 if stream else 0, size))

    async def end(self) -> None:
        """Wait until the server has ended the connection."""
        with suppress(ConnectionError):
            async with asyncio.timeout(10):
                await self.reader.read()
        self.close()

    def close(self) -> None:
        self.writer.close()
