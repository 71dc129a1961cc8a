"""A service in a process of its own, as an operator starts it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, Any

import orjson
import psutil
import requests
from jsonschema import Draft202012Validator, FormatChecker

ROOT = Path(__file__).parents[2]
SCHEMA: Any = orjson.loads((ROOT / "docs/reference/log-lines.schema.json").read_bytes())
"""The form of log lines, as the reference has it."""
LINES = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


@cache
def lines_of(event: str) -> Draft202012Validator:
    """Return what the form says of the lines of one event: to ask what it says of each other one takes milliseconds."""
    of_event = [each for each in SCHEMA["allOf"] if each["if"]["properties"]["event"]["const"] == event]
    return Draft202012Validator({**SCHEMA, "allOf": of_event}, format_checker=FormatChecker())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """A running `serve`, whose log is JSON lines in a file."""

    process: "subprocess.Popen[bytes]"
    api: str
    operations: str
    log: Path
    _read: int = 0
    """Bytes of the log that were read before: to validate all of a long one at each look at it takes seconds."""
    _lines: list[dict[str, object]] = field(default_factory=list)

    def lines(self) -> list[dict[str, object]]:
        """Return the lines of the log, each of which the documented schema allows."""
        with self.log.open("rb") as log:
            log.seek(self._read)
            added = log.read()
        whole = added if self.process.poll() is not None else added[: added.rfind(b"\n") + 1]
        for line in map(orjson.loads, whole.splitlines()):
            lines_of(line.get("event")).validate(line)
            self._lines.append(line)
        self._read += len(whole)
        return [{**line} for line in self._lines]

    def events(self, event: str) -> list[dict[str, object]]:
        return [line for line in self.lines() if line["event"] == event]

    def wait_until(self, path: str, status: int, within: float = 15) -> None:
        """Wait until an operations endpoint answers with a status."""
        wait_for(
            lambda: requests.get(self.operations + path, timeout=5).status_code == status, within, f"{path} {status}"
        )


def wait_for(condition: Callable[[], bool], within: float = 15, what: str = "it") -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {within} s"
        time.sleep(0.05)


def runs(process: psutil.Process) -> bool:
    """Return whether a process is there and no zombie, though it may end at any moment."""
    try:
        return process.is_running() and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a process; in it nobody is logged in to a server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FLOW_PIPELINES_")}
    nowhere = {"XDG_CONFIG_HOME": f"{os.devnull}/none"}
    return {**kept, **nowhere, "LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1", **settings}


def start(
    *arguments: str, output: IO[bytes], module: str = "service", prefix: Sequence[str] = (), **settings: str
) -> "subprocess.Popen[bytes]":
    """Start `python -m service …` from the checkout, or another module in its place, or by a command before it."""
    command = [*prefix, sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=environment(**settings), stdout=output, stderr=subprocess.STDOUT)


@contextmanager
def running_service(
    directory: Path,
    dsn: str,
    *arguments: str,
    module: str = "service",
    prefix: Sequence[str] = (),
    **settings: str,
) -> Iterator[Service]:
    """Run a `serve`, and yield it once it has logged its addresses; terminate it if the test has not done so.

    With WORKERS=<number> in the environment, it has so many workers, so that faults can be injected into these.
    """
    if not arguments and module == "service" and "WORKERS" in os.environ:
        arguments = ("--workers", os.environ["WORKERS"])
    log = directory / f"service-{time.monotonic_ns()}.log"
    defaults = {"DATABASE_URL": dsn, "HTTP_PORT": str(free_port()), "OPS_PORT": "0", "SHUTDOWN_DELAY": "0"}
    with log.open("wb") as output:
        process = start("serve", *arguments, output=output, module=module, prefix=prefix, **{**defaults, **settings})
    service = Service(process, "", "", log)
    try:
        wait_for(lambda: process.poll() is not None or b'"started"' in log.read_bytes(), 60, "the start line")
        started = service.events("started")
        assert started, log.read_text()
        service.api, service.operations = str(started[0]["api"]), str(started[0]["operations"])
        yield service
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)
