"""The lines of a file to import: decompressed by its content, without a byte order mark, and none of them too long.

Whatever the file has, no more of it is held than a line and a buffer: a few bytes that unpack to gigabytes are refused
as soon as a line is too long, and as records no sooner than any others.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from importlib import import_module
from typing import IO, Any, Final

from service.transfer.records import BadRecord

MAX_LINE: Final = 2**20
"""The bytes of a line, without its end; the longest record, all of it escaped, takes an eighth."""

_BUFFER: Final = 2**16
_BOM: Final = b"\xef\xbb\xbf"
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = b"\x2a\x4d\x18"
"""A frame of zstd with something else than content, as some programs begin with; behind a byte from 0x50 to 0x5F."""


class _Source(io.RawIOBase):
    """A file whose first bytes were read to look at them, and whose bytes are counted."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._head = file.read(4)
        self.head: Final = self._head
        self.taken = len(self._head)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head
        if data:
            self._head = b""
        else:
            data = self._file.read(len(buffer))
            self.taken += len(data)
        buffer[: len(data)] = data
        return len(data)


class LineReader:
    """The lines of a file, to be read once, by one thread at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._source: _Source | None = None

    @property
    def taken(self) -> int:
        """The bytes of the file that were read so far, as they are in it."""
        return self._source.taken if self._source else 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the lines.

        Raises:
            BadRecord: the next line can't be read; the text is the reason.
        """
        self._source = _Source(self._file)
        content = _unpacked(self._source)
        try:
            first = _next_line(content)
            if first.startswith(_UTF_16):
                raise BadRecord("the file is UTF-16: write it as UTF-8")
            line = first.removeprefix(_BOM)
            while line or first:
                yield line
                line = first = _next_line(content)
        except EOFError as error:
            raise BadRecord("the compressed file ends in the middle: it was cut off") from error
        except _damaged(content) as error:
            raise BadRecord(f"the compressed file is damaged: {error}") from error


def _next_line(content: IO[bytes]) -> bytes:
    line = content.readline(MAX_LINE + 3)
    if len(line) > MAX_LINE and len(line.rstrip(b"\r\n")) > MAX_LINE:
        raise BadRecord(f"longer than {MAX_LINE:,} bytes, the most that a line may have")
    return line


def _unpacked(source: _Source) -> IO[bytes]:
    """Return the content of a file, by what it begins with."""
    buffered = io.BufferedReader(source, _BUFFER)
    if source.head.startswith(_GZIP):
        return gzip.GzipFile(fileobj=buffered)  # type: ignore[return-value] # reads like one
    if source.head == _ZSTD or (source.head[1:] == _SKIPPABLE and source.head[0] >> 4 == 5):
        unpacked: IO[bytes] = _zstd().ZstdFile(buffered)
        return unpacked
    return buffered


def _zstd() -> Any:
    """Return the module of zstd: Python's own, or the package that has it for versions before 3.14.

    Raises:
        BadRecord: there is neither.
    """
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise BadRecord(
        "the file is compressed by zstd, which takes Python 3.14 or the package backports.zstd: install the extra"
        " flow-pipelines[zstd], or give the output of `zstd -dc FILE` to `import -`"
    )


def _damaged(content: IO[bytes]) -> tuple[type[Exception], ...]:
    """Return the errors by which a file of that kind says that it is damaged."""
    if isinstance(content, gzip.GzipFile):
        return (gzip.BadGzipFile, zlib.error)
    return () if isinstance(content, io.BufferedReader) else (_zstd().ZstdError,)
