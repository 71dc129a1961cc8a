"""Output without a reader: lines wait within bounds and are dropped beyond, and what comes out are whole lines."""

import asyncio
import errno
import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.telemetry import outlet as outlet_module
from service.telemetry.outlet import Outlet, _Pieces, _Socket, _Threaded, open_output
from tests.process.running import ROOT


def _say(lines: int) -> bytes:
    return b"dropped %d" % lines


class Slow:
    """A file that takes so many bytes, and fails in some way beyond them."""

    def __init__(self, room: int, failure: OSError | None = None) -> None:
        self.room = room
        self.failure = failure
        self.taken = b""

    def write(self, data: bytes, /) -> int | None:
        if not self.room and self.failure:
            raise self.failure
        written = data[: self.room]
        self.room -= len(written)
        self.taken += written
        return len(written) or None

    def flush(self) -> None:
        pass


@pytest.mark.parametrize("failure", [None, OSError(errno.ENOSPC, "full"), BlockingIOError(errno.EAGAIN, "later")])
@pytest.mark.parametrize("room", [0, 1, 5, 6, 7, 11, 12, 13])
async def test_lines_that_are_not_taken_wait_and_come_whole_and_in_order(
    room: int, failure: OSError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet_module, "RETRY_PAUSE", 0.001)
    file = Slow(room, failure)
    outlet = Outlet(file, _say)
    for line in (b"line1", b"line2", b"line3"):
        outlet.info(line)
    await asyncio.sleep(0)
    assert len(file.taken) == room
    outlet.info(b"line4")
    await asyncio.sleep(0.02)
    file.room = 1000
    await asyncio.sleep(0.02)

    assert file.taken == b"line1\nline2\nline3\nline4\n"
    assert outlet.dropped == 0


async def test_lines_beyond_the_bound_are_dropped_counted_and_said_in_their_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outlet_module, "RETRY_PAUSE", 0.001)
    monkeypatch.setattr(outlet_module, "MAX_WAITING_BYTES", 60)
    file = Slow(8)
    outlet = Outlet(file, _say)
    for number in range(100):
        outlet.info(b"line%d" % number)
        await asyncio.sleep(0)
    assert outlet._waiting_bytes <= 70
    file.room = 1000
    await asyncio.sleep(0.02)
    outlet.info(b"after")
    await asyncio.sleep(0)

    *kept, said, after = file.taken.split(b"\n")[:-1]
    assert kept == [b"line%d" % number for number in range(len(kept))]
    assert (said, after) == (b"dropped %d" % (100 - len(kept)), b"after")
    assert outlet.dropped == 100 - len(kept)


async def test_lines_are_dropped_while_the_reader_is_gone_and_that_is_said_when_one_is_back() -> None:
    file = Slow(0, BrokenPipeError(errno.EPIPE, "gone"))
    outlet = Outlet(file, _say)
    for _ in range(3):
        outlet.info(b"line")
        await asyncio.sleep(0)
    assert outlet.dropped == 3
    file.room = 1000
    outlet.info(b"line")
    await asyncio.sleep(0)

    assert file.taken == b"line\ndropped 3\n"
    assert outlet.dropped == 3


def test_an_outlet_goes_on_in_another_event_loop() -> None:
    file = Slow(0)
    outlet = Outlet(file, _say)

    async def write(line: bytes, seconds: float) -> None:
        outlet.info(line)
        await asyncio.sleep(seconds)

    asyncio.run(write(b"one", 0))
    file.room = 1000
    asyncio.run(write(b"two", 0.01))

    assert file.taken == b"one\ntwo\n"


def _pipe() -> tuple[int, int]:
    return os.pipe()


def _terminal() -> tuple[int, int]:
    return pty.openpty()


def _socket() -> tuple[int, int]:
    one, two = socket.socketpair()
    return one.detach(), two.detach()


@pytest.mark.parametrize("make", [_pipe, _terminal, _socket])
def test_no_kind_of_output_blocks_while_nothing_reads(make: Callable[[], tuple[int, int]]) -> None:
    reading, writing = make()
    outlet = Outlet(open_output(writing), _say)
    begun = time.monotonic()
    for _ in range(2000):
        outlet.info(b"x" * 999)
    outlet.end(0.05)
    taken = time.monotonic() - begun

    assert outlet.dropped > 0
    assert taken < 5
    assert os.get_blocking(writing), "the flag is shared with whatever else has this output"
    assert os.read(reading, 1000).strip(b"\r\n") in b"x" * 1000
    if isinstance(outlet._file, _Socket):
        outlet._file._socket.close()
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize("blocking", [True, False])
def test_an_output_that_can_not_be_opened_again_is_written_to_by_a_thread(*, blocking: bool) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)
    outlet = Outlet(_Threaded(writing), _say)
    for number in range(100):
        outlet.info(b"%d" % number * 999)
    outlet.end(0.05)
    came = bytearray()

    def read() -> None:
        while piece := os.read(reading, 65_536):
            came.extend(piece)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(100):
        outlet.end(0.05)
        time.sleep(0.01)
    outlet._file._idle.wait(5)  # type: ignore[attr-defined]  # of this kind of file
    os.close(writing)
    reader.join(5)

    assert came.split(b"\n")[:-1] == [b"%d" % number * 999 for number in range(100)]


def test_end_is_bounded_and_writes_what_is_taken() -> None:
    file = Slow(3)
    outlet = Outlet(file, _say)
    outlet.info(b"line")
    begun = time.monotonic()
    outlet.end(0.1)
    ended = time.monotonic() - begun
    file.room = 100
    outlet.end(0.1)

    assert 0.1 <= ended < 2
    assert file.taken == b"line\n"


PRINTING = """
import sys, structlog
from service.settings import read_settings
from service.telemetry.logs import LOG_METRICS, configure_logs
configure_logs(read_settings())
for number in range({lines}):
    structlog.get_logger().info("line", text="x" * 1000)
    print("printed")
    print("printed", file=sys.stderr)
"""


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("redirection", ["| sleep 60", "2>&1 | sleep 60", ">&-", "2>&-", "> /dev/full 2>&1", "| true"])
def test_a_process_ends_whatever_becomes_of_its_outputs(form: str, redirection: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PRINTING.format(lines=3000))
    ended = tmp_path / "ended"
    begun = time.monotonic()
    command = f"{{ {sys.executable} {script}; echo $? > {ended}; }} {redirection}"
    process = subprocess.Popen(
        ["bash", "-c", command],
        env={**os.environ, "LOG_FORMAT": form, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        while not (ended.exists() and ended.read_text()) and time.monotonic() - begun < 30:
            time.sleep(0.05)
        assert ended.read_text() == "0\n"
    finally:
        os.killpg(process.pid, 9)
        _, said = process.communicate()
    assert b"Traceback" not in said


class Room:
    """A pipe that takes so many writes."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.writes: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        if len(self.writes) == self.room:
            return 0
        self.writes.append(data)
        return len(data)


@pytest.mark.parametrize("room", [2, 100])
def test_lines_for_a_pipe_that_others_write_to_come_in_pieces_of_whole_lines(room: int) -> None:
    """A piece that is no longer than PIPE_BUF is written whole, with nothing of others in it, or not at all."""
    pipe = Room(room)
    lines = [b"%05d%s" % (number, b"x" * size) for number, size in enumerate([1000] * 20 + [9000] + [10] * 900)]
    data = b"\n".join(lines) + b"\n"

    taken = _Pieces(pipe).write(data)  # type: ignore[arg-type] # it has all that is needed

    assert b"".join(pipe.writes) == data[:taken]
    assert all(each.endswith(b"\n") for each in pipe.writes)
    assert [each for each in pipe.writes if len(each) > select.PIPE_BUF and each.count(b"\n") > 1] == []
    assert (taken == len(data)) == (room == 100)


def test_shared_pipe_is_written_in_pieces_and_other_outputs_are_not(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with (tmp_path / "log").open("wb") as file:
        assert isinstance(open_output(writing, shared=True), _Pieces)
        assert not isinstance(open_output(writing), _Pieces)
        assert not isinstance(open_output(file.fileno(), shared=True), _Pieces)
    os.close(reading)
    os.close(writing)
