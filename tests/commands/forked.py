"""Many commands, each in a process forked from one: importing the service takes most of their time."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from service.__main__ import commands
from service.commands.ending import run_command
from tests.process.running import ROOT, environment


def run_each(calls: Sequence[Sequence[str]], **settings: str) -> "list[subprocess.CompletedProcess[str]]":
    """Run commands, one after the other, with nothing at standard input."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.commands.forked"],
        cwd=ROOT,
        env=environment(**settings),
        input=json.dumps([[*arguments] for arguments in calls]),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return [subprocess.CompletedProcess(*each) for each in json.loads(done.stdout)]


def _run(arguments: list[str], directory: Path) -> tuple[list[str], int, str, str]:
    files = [directory / "out", directory / "err"]
    child = os.fork()
    if child == 0:
        for number, file in enumerate(files, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        code = 70
        try:
            code = run_command(commands, arguments, "flow-pipelines")
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    out, err = (file.read_bytes().decode() for file in files)
    return arguments, os.waitstatus_to_exitcode(status), out, err


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        answers = [_run(arguments, Path(made)) for arguments in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(answers))
