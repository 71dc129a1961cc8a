"""Log lines: in their order, those of one turn of the event loop in one write, and without need of a reader."""

import asyncio
import io
import os
import pty
import re
import subprocess
import sys
from typing import Any

import orjson
import pytest

from service.telemetry import logs
from service.telemetry.outlet import Outlet
from tests.process.running import ROOT


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


ODD = 'a\x1b]0;t\x07\r\n2030 [info] forged\x9b\u2028\u202e\u200b\ufe0f b=c "d" \\'
SAYING = f"""
import logging, structlog
from service.settings import read_settings
from service.telemetry.logs import configure_logs
configure_logs(read_settings())
log, odd = structlog.get_logger(), {ODD!a}
log.info("request", fields={{"path": odd, "user": odd}}, agent=odd, listed=[odd], short="\\x1b[2J", forged="a user=b")
logging.getLogger("library").warning(odd)
def fail(bearer="fp_secret"):
    secret = "fp_" + "local"
    raise ValueError(odd)
try:
    fail()
except ValueError:
    log.exception("failed")
"""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("form", ["console", "json"])
def test_log_at_a_terminal_shows_what_others_named_escaped(form: str) -> None:
    """In each value, in lines of libraries, and in tracebacks; nothing passes for another value, or for a line."""
    master, terminal = pty.openpty()
    with os.fdopen(master, "rb", buffering=0) as screen:
        environment = {**os.environ, "LOG_FORMAT": form, "PYTHONIOENCODING": "utf-8"}
        subprocess.run([sys.executable, "-c", SAYING], cwd=ROOT, env=environment, stdout=terminal, check=True)
        os.close(terminal)
        shown = read_all(screen).replace("\r\n", "\n")
    plain = COLOURS.sub("", shown)

    assert [each for each in plain if not (each.isprintable() and each != "\ufe0f") and each != "\n"] == []
    assert not re.search(r"^2030 ", plain, re.MULTILINE)
    if form == "json":
        lines = [orjson.loads(line) for line in plain.splitlines()]
        assert (lines[0]["path"], lines[0]["forged"]) == (ODD, "a user=b")
        return
    heads = [line for line in plain.splitlines() if not line.startswith("  ")]
    assert len(heads) == 3
    assert 'forged="a user=b"' in plain
    assert "short=\\x1b[2J" in plain
    assert "secret = " not in plain.replace('secret = "fp_" + "local"', "")


@pytest.mark.parametrize(
    ("settings", "at_terminal", "coloured"),
    [({}, True, True), ({"NO_COLOR": "1"}, True, False), ({"TERM": "dumb"}, True, False), ({}, False, False)],
    ids=["terminal", "NO_COLOR", "dumb", "file"],
)
def test_console_has_colours_where_they_are_shown_and_wanted(
    settings: dict[str, str], at_terminal: bool, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"NO_COLOR": "", "TERM": "xterm", **settings}.items():
        monkeypatch.setenv(name, value)
    line: Any = {"event": "started", "api": "x"}
    for process in logs._console(at_terminal):
        line = process(None, "info", line)

    assert (b"api" in line, b"\x1b" in line) == (True, coloured)


def read_all(screen: io.FileIO) -> str:
    """Read a terminal until nothing has it open any more, which it tells by an error."""
    read = bytearray()
    while True:
        try:
            part = screen.read(65_536)
        except OSError:
            part = b""
        if not part:
            return read.decode()
        read += part


def test_console_line_of_a_request_is_in_reading_order() -> None:
    line: object = {
        "event": "request",
        "fields": {
            "request_id": "r-1",
            "organization_id": "o-1",
            "client": "192.0.2.1",
            "status": 404,
            "method": "GET",
        },
        "more": 1,
    }
    for process in logs._CONSOLE:
        line = process(None, "info", line)

    assert isinstance(line, bytes)
    plain = COLOURS.sub("", line.decode())
    assert plain.endswith("method=GET status=404 client=192.0.2.1 request_id=r-1 organization_id=o-1 more=1")


def test_long_value_is_whole_for_machines_and_a_summary_at_a_terminal() -> None:
    def lines(processors: list[Any]) -> bytes:
        line: Any = {"event": "started", "api": "x", "settings": logs.Summarized({"A": 1, "B": 2}, {"given": "A"})}
        for process in processors:
            line = process(None, "info", line)
        return bytes(line)

    assert orjson.loads(lines(logs._JSON))["settings"] == {"A": 1, "B": 2}
    assert COLOURS.sub("", lines(logs._CONSOLE).decode()).endswith("api=x given=A")
