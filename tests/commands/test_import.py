"""The command `import`."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.commands.forked import run
from tests.factories import World
from tests.process.running import ROOT, environment


async def test_import_from_standard_input(dsn: str, world: World) -> None:
    line = json.dumps({"type": "group", "id": str(world.id), "organization_id": str(world.id), "name": "g"})

    done = run("import", "-", given=line, DATABASE_URL=dsn)
    again = run("import", "-", "--json", given=line, DATABASE_URL=dsn)

    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == "group                    1"
    assert done.stdout.splitlines()[-1] == "1 rows were new or changed."
    assert {key: value for key, value in json.loads(again.stdout).items() if key != "seconds"} == {
        "records": {"group": 1},
        "written": {},
        "tokens_left_out": 0,
    }


@pytest.mark.parametrize("given", ["", "\n\r\n \n"])
def test_import_of_nothing_does_not_say_that_all_was_there(dsn: str, given: str) -> None:
    """As where the export that is to be read has failed."""
    done = run("import", "-", given=given, DATABASE_URL=dsn)

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "The input has no records: nothing was changed.")


def test_import_refused(dsn: str) -> None:
    refused = run("import", "-", given='{"type": "user"}', DATABASE_URL=dsn)

    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == ("flow-pipelines: line 1: either role or is_admin must be given; nothing was changed\n")


def test_import_of_a_missing_file(dsn: str) -> None:
    refused = run("import", "/nonexistent", DATABASE_URL=dsn)

    assert (refused.returncode, "No such file" in refused.stderr) == (2, True)


def test_import_shows_progress_at_a_terminal(dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "data.ndjson"
    file.write_text(json.dumps({"type": "organization", "id": str(uuid4()), "name": "Progress"}) + "\n")

    for arguments, given, shown in ([str(file)], None, "100%"), (["-"], file.read_bytes(), "Importing  0 MB"):
        terminal, end = pty.openpty()
        command = [sys.executable, "-m", "service", "import", *arguments]
        settings = environment(DATABASE_URL=dsn)
        done = subprocess.run(
            command, cwd=ROOT, env=settings, input=given, stdout=subprocess.PIPE, stderr=end, check=False
        )
        os.close(end)
        said = os.read(terminal, 65536).decode()
        os.close(terminal)

        assert done.returncode == 0
        assert shown in said
