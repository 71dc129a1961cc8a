"""An output that never holds the process up: what its reader does not take waits, within bounds, or is dropped.

A write to a pipe that nothing reads, or to a terminal that was stopped, blocks, and with it the event loop: requests,
probes and signals. So none is made that could.
"""

import asyncio
import atexit
import errno
import io
import os
import select
import socket
import stat
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final, Protocol

MAX_WAITING_BYTES: Final = 2**20
"""Bytes of lines that wait for a reader; lines beyond are dropped."""
WRITE_BYTES: Final = 65_536
"""Bytes of waiting lines that are tried at once, or one line that is longer."""
RETRY_PAUSE: Final = 0.05
"""Seconds until waiting lines are tried again."""
END_TIMEOUT: Final = 1.0
"""Seconds for waiting lines to be taken at the end of the process."""

_GONE: Final = frozenset({errno.EPIPE, errno.EIO, errno.EBADF, errno.ECONNRESET, errno.ENXIO, errno.ENOTCONN})
"""Errors of an output whose reader is gone. After others, such as of a full disk, what is half written can go on."""


class File(Protocol):
    """A file that is written to without blocking."""

    def write(self, data: bytes, /) -> int | None:
        """Write some of the data, and return how many bytes; None if none can be taken now."""

    def flush(self) -> None:
        """Hand on what was kept back."""


class Outlet:
    """Writes lines to a file, whole and in order; those of one turn of the event loop together.

    A busy loop so makes few system calls. Lines that are not written yet when the process is killed are those of that
    turn, and those that wait for a reader. Where the output is closed, the service goes on without a log.
    """

    def __init__(self, file: File, say: Callable[[int], bytes] | None = None) -> None:
        """Write to a file.

        Args:
            file: never blocks.
            say: makes the line that tells how many lines were dropped; None: nothing is said.
        """
        self.dropped = 0
        """Lines that were never written."""
        self._file = file
        self._say = say
        self._lines: list[bytes] = []
        """Lines of this turn."""
        self._waiting: deque[bytes] = deque()
        """Lines of earlier turns; a part of the first may be written."""
        self._waiting_bytes = 0
        self._untold = 0
        """Dropped lines that no line has told of yet."""
        self._retrying: asyncio.AbstractEventLoop | None = None
        """The event loop in which lines that wait will be tried again."""
        self._lock = threading.Lock()

    def msg(self, line: bytes) -> None:
        """Write one line."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # of a command, or of a thread
            self._write([line])
            return
        if not self._lines:
            loop.call_soon(self._flush)
        self._lines.append(line)

    debug = info = warning = error = critical = exception = msg

    def end(self, timeout: float = END_TIMEOUT) -> None:
        """Write what is left, as far as it is taken within some seconds."""
        lines, self._lines = self._lines, []
        self._write(lines)
        deadline = monotonic() + timeout
        while self._waiting and monotonic() < deadline:
            threading.Event().wait(0.01)
            self._write([])

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if self._retrying is None or self._retrying.is_closed():
            self._write(lines)
            self._retry_later()
        else:  # each attempt at lines that wait costs as much as they are long
            with self._lock:
                self._keep(lines)

    def _retry_later(self) -> None:
        self._retrying = asyncio.get_running_loop() if self._waiting else None
        if self._retrying:
            self._retrying.call_later(RETRY_PAUSE, self._retry)

    def _retry(self) -> None:
        self._write([])
        self._retry_later()

    def _write(self, lines: list[bytes]) -> None:
        with self._lock:
            if self._waiting or self._untold:
                self._keep(lines)
                self._drain()
            elif lines and (rest := self._send(lines)):
                self._keep(rest)

    def _drain(self) -> None:
        """Write lines that wait until none do, or none are taken, and then say how many were dropped."""
        while self._waiting:
            lines, size = [], 0
            while self._waiting and size < WRITE_BYTES:
                lines.append(self._waiting.popleft())
                size += len(lines[-1]) + 1
            self._waiting_bytes -= size
            rest = self._send(lines)
            if rest:
                self._waiting.extendleft(reversed(rest))
                self._waiting_bytes += sum(map(len, rest)) + len(rest)
                return
            if rest is None:
                return
        if self._untold and self._say:
            told, self._untold = self._untold, 0
            rest = self._send([self._say(told)])
            if rest is None:
                self.dropped -= 1  # it is none of the lines that were to be written
                self._untold = told
            else:
                self._keep(rest)

    def _send(self, lines: list[bytes]) -> list[bytes] | None:
        """Write lines, and return those that were not taken, the first perhaps in part; None if all are lost."""
        data = b"\n".join(lines) + b"\n"
        try:
            written = self._file.write(data) or 0
            self._file.flush()
        except OSError as error:
            if error.errno in _GONE or error.errno is None:
                self._drop(len(lines))
                return None
            written = 0
        if written == len(data):
            return []
        for index, line in enumerate(lines):
            if written <= len(line):
                return [line[written:], *lines[index + 1 :]]
            written -= len(line) + 1
        return []

    def _keep(self, lines: Sequence[bytes]) -> None:
        """Let lines wait, if there is room; after one that was dropped, none until that is said in its place."""
        for line in lines:
            if self._waiting and (self._untold or self._waiting_bytes + len(line) > MAX_WAITING_BYTES):
                self._drop(1)
            else:
                self._waiting.append(line)
                self._waiting_bytes += len(line) + 1

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        self._untold += lines


class OutletText(io.TextIOWrapper):
    """A text stream in the place of sys.stdout or sys.stderr, whose lines go to an outlet."""

    def __init__(self, outlet: Outlet, descriptor: int) -> None:
        super().__init__(_OutletBytes(outlet, descriptor), "utf-8", "backslashreplace", write_through=True)  # type: ignore[arg-type] # the stubs want a name


class _OutletBytes(io.RawIOBase):
    """Bytes that are handed to an outlet line by line."""

    def __init__(self, outlet: Outlet, descriptor: int) -> None:
        self._outlet = outlet
        self._descriptor = descriptor
        self._line = b""

    def write(self, data: Any, /) -> int:
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._outlet.msg(line)
        return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def open_output(descriptor: int, *, shared: bool = False) -> File:
    """Open one of the process's outputs for writing that never blocks.

    Its own flag for that is no way: it is shared with all processes that have the same pipe or terminal.

    Args:
        descriptor: of the output.
        shared: True if other processes write lines to it at the same time, which must not come between ours.
    """
    try:
        mode = os.fstat(descriptor).st_mode
    except OSError:
        return Nothing()
    if stat.S_ISREG(mode):
        return _Descriptor(descriptor)
    if stat.S_ISSOCK(mode):
        return _Socket(descriptor)
    with suppress(OSError):  # it is another user's, or this system has no such files
        # The same pipe or terminal once more, with flags of its own.
        opened = _Descriptor(os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))
        return _Pieces(opened) if shared and stat.S_ISFIFO(mode) else opened
    return _Threaded(descriptor)


class Nothing:
    """The output of a process that has none."""

    def write(self, data: bytes, /) -> int:
        """Take all and keep nothing."""
        return len(data)

    def flush(self) -> None:
        """Do nothing."""


class _Descriptor(Nothing):
    """A file on a disk, or a pipe or terminal opened so that writing does not block."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes, /) -> int:
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0


class _Pieces(Nothing):
    """A pipe that others write to as well: it gets lines in pieces that it takes whole, or not at all.

    A line that is longer than such a piece, as a traceback may be, can have others' lines in it.
    """

    def __init__(self, pipe: _Descriptor) -> None:
        self._pipe = pipe

    def write(self, data: bytes, /) -> int:
        written = 0
        while written < len(data):
            end = (
                data.rfind(b"\n", written, written + select.PIPE_BUF) + 1 or data.find(b"\n", written) + 1 or len(data)
            )
            taken = self._pipe.write(data[written:end])
            written += taken
            if written < end:
                break
        return written


class _Socket(Nothing):
    """A socket, as systemd gives one."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=os.dup(descriptor))

    def write(self, data: bytes, /) -> int:
        try:
            return self._socket.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0


class _Threaded(Nothing):
    """An output that writing to may block: a thread waits for it, one piece at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._piece = b""
        self._error: OSError | None = None
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        threading.Thread(target=self._work, name="log", daemon=True).start()
        atexit.register(self._idle.wait, END_TIMEOUT)

    def write(self, data: bytes, /) -> int:
        if self._error:
            error, self._error = self._error, None
            raise error
        if not self._idle.is_set():
            return 0
        self._idle.clear()
        self._piece = data
        self._wake.set()
        return len(data)

    def _work(self) -> None:
        while self._wake.wait():
            self._wake.clear()
            try:
                while self._piece:
                    try:
                        self._piece = self._piece[os.write(self._descriptor, self._piece) :]
                    except BlockingIOError:  # another process has set that flag for all that share the output
                        select.select([], [self._descriptor], [], RETRY_PAUSE)
            except OSError as error:
                self._error = error
            self._idle.set()
