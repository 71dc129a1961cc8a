"""Commands, each in a process forked from one: importing the service takes most of their time.

`python -m tests.commands.forked` reads a JSON array a line, of arguments, variables, standard input, whether to
measure coverage, and seconds, and answers each by one of exit code and both outputs. Each child measures from its own
start, as what it would inherit of the imports takes half a second to write.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from typing import Final, cast

from service.__main__ import commands
from service.commands.ending import run_command
from tests.measured import MEASURING, measuring
from tests.process.running import ROOT, environment

SECONDS: Final = 60
"""Seconds after which a command that does not end is ended by SIGALRM, where no others are given."""

CALLING: Final = ("service.client.server", "httpcore._backends.anyio", "anyio._backends._asyncio")
"""Modules that a command loads when it first calls a server."""


def run(*arguments: str, given: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command, with a text at standard input."""
    return ask(arguments, settings, given=given, measured=MEASURING in os.environ)


def run_each(calls: Sequence[Sequence[str]], **settings: str) -> "list[subprocess.CompletedProcess[str]]":
    """Run commands, one after the other, with nothing at standard input."""
    return [run(*arguments, **settings) for arguments in calls]


def run_unmeasured(calls: Sequence[Sequence[str]], **settings: str) -> "list[subprocess.CompletedProcess[str]]":
    """Run many commands without measuring their coverage, which takes a third of a second each."""
    return [ask(arguments, settings) for arguments in calls]


def ask(
    arguments: Sequence[str],
    settings: Mapping[str, str],
    *,
    given: str = "",
    measured: bool = False,
    seconds: int = SECONDS,
) -> "subprocess.CompletedProcess[str]":
    """Have a command run."""
    server = _start_server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps([arguments, environment(**settings), given, measured, seconds]) + "\n")
    server.stdin.flush()
    return subprocess.CompletedProcess([*arguments], *json.loads(server.stdout.readline()))


@cache
def _start_server() -> "subprocess.Popen[str]":
    """Start the process that the commands are forked from; it ends with the process of the tests."""
    command = [sys.executable, "-m", "tests.commands.forked"]
    variables = {name: value for name, value in os.environ.items() if name != MEASURING}
    return subprocess.Popen(command, cwd=ROOT, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _run(
    arguments: list[str], variables: dict[str, str], given: str, measured: bool, seconds: int, directory: Path
) -> tuple[int, str, str]:
    files = [directory / name for name in ("in", "out", "err")]
    files[0].write_bytes(os.fsencode(given))
    child = os.fork()
    if child == 0:
        signal.alarm(seconds)
        os.environ.clear()
        os.environ.update(variables)
        for number, file in enumerate(files):
            os.dup2(os.open(file, os.O_RDWR | os.O_CREAT | (os.O_TRUNC if number else 0)), number)
        sys.path[:0] = [path for path in variables.get("PYTHONPATH", "").split(":") if path not in sys.path]
        if encoding := variables.get("PYTHONIOENCODING"):  # which Python itself reads only at its start
            for stream in (sys.stdin, sys.stdout, sys.stderr):
                cast("TextIOWrapper", stream).reconfigure(encoding=encoding)
        code = 70
        try:
            with measuring(variables[MEASURING]) if measured else nullcontext():
                code = run_command(commands, arguments, "flow-pipelines")
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    out, err = (file.read_bytes().decode() for file in files[1:])
    return os.waitstatus_to_exitcode(status), out, err


def _serve() -> None:
    for name in CALLING:
        import_module(name)
    calls, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryDirectory() as made:
        for line in calls:
            arguments, variables, given, measured, seconds = json.loads(line)
            told = _run(arguments, variables, given, measured, seconds, Path(made))
            print(json.dumps(told), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
