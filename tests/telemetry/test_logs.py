"""Log lines: in their order, those of one turn of the event loop in one write, and without need of a reader."""

import asyncio
import io

from service.telemetry.outlet import Outlet


class Counting(io.BytesIO):
    flushes = 0

    def flush(self) -> None:
        self.flushes += 1


async def test_lines_of_one_turn_are_written_together() -> None:
    file = Counting()
    lines = Outlet(file)
    for turn in (b"a", b"b"):
        for number in (b"1", b"2", b"3"):
            lines.info(turn + number)
        await asyncio.sleep(0)

    assert file.getvalue().split() == [b"a1", b"a2", b"a3", b"b1", b"b2", b"b3"]
    assert file.flushes == 2


async def test_lines_of_threads_are_written_at_once() -> None:
    file = Counting()
    await asyncio.to_thread(Outlet(file).info, b"line")

    assert (file.getvalue(), file.flushes) == (b"line\n", 1)


class Gone(io.BytesIO):
    def write(self, _: object) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


async def test_lines_for_a_closed_pipe_are_dropped() -> None:
    lines = Outlet(Gone())
    for _ in range(3):
        lines.info(b"line")
        await asyncio.sleep(0)
