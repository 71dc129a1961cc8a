"""A process that runs commands as they come, each in a process forked from it: one JSON object a line, and one back."""

import json
import os
import signal
import sys
import tempfile
from pathlib import Path

from service.__main__ import commands
from service.commands.ending import run_command

SECONDS = 30
"""Seconds after which a command that does not end is ended by SIGALRM."""


def run(arguments: list[str], variables: dict[str, str], directory: Path) -> tuple[int, str, str]:
    """Run one command with nothing at standard input; return its exit code, and what it wrote to both outputs."""
    files = [directory / "out", directory / "err"]
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        for number, file in enumerate(files, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.update(variables)
        code = 70
        try:
            code = run_command(commands, arguments, "flow-pipelines")
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    out, err = (file.read_bytes().decode() for file in files)
    return os.waitstatus_to_exitcode(status), out, err


def _run_line(line: str, directory: Path) -> tuple[int, str, str]:
    arguments, variables = json.loads(line)
    return run(arguments, variables, directory)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryDirectory() as made:
        for line in sys.stdin:
            answers.write(json.dumps(_run_line(line, Path(made))) + "\n")
            answers.flush()
