"""Run the API tests of an earlier version, with its own code, on this version's schema and privileges.

That is the state in the middle of an upgrade: the database is migrated, the version before still serves. `make
release` calls this with the commit that CHANGELOG.md names, and `make upgrade-check FROM=<tag or commit>` with any
other, with the packages that this version is locked to.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.release.version import NoRelease, previous_commit

ROOT: Final = Path(__file__).parents[1]
TESTS: Final = ("tests/api", "tests/operations", "tests/repositories")
LEFT_OUT: Final[Mapping[str, Mapping[str, str]]] = {
    "fb01d8911075": {
        "tests/operations/test_jobs.py::test_update_job_pipelines": (
            "calls an operation by a token that is in no database, which no request can; audit rows need a real one"
        ),
        "tests/api/test_presumed_callers.py::test_without_the_proof_a_revoked_token_would_do": (
            "takes the proof of the caller out of a statement, to show that it is needed; now audit rows prove it, too"
        ),
    },
}
"""Tests of earlier versions, by the commit, that do what a version never does when it serves, with the reason."""

PLUGIN: Final = """
def pytest_collection_modifyitems(config, items):
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in {left_out}])
    items[:] = [item for item in items if item.nodeid not in {left_out}]
"""
"""A plugin of pytest that leaves out those tests alone; its own option takes the beginnings of names."""


def main(revision: str) -> int:
    """Run the tests, and return pytest's exit code.

    Raises:
        NoRelease: there is no such commit here.
    """
    known = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if known.returncode:
        raise NoRelease(f"There is no commit {revision} here: `git fetch --unshallow` or `git fetch --tags` brings it.")
    left_out = LEFT_OUT.get(known.stdout[:12], {})
    for test, reason in left_out.items():
        print(f"left out: {test} {reason}")  # noqa: T201 - a command
    with tempfile.TemporaryDirectory() as directory:
        archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(directory, filter="data")
        earlier = Path(directory)
        shutil.rmtree(earlier / "sql" / "migrations")
        shutil.copytree(ROOT / "sql" / "migrations", earlier / "sql" / "migrations")
        shutil.copy(ROOT / "sql" / "privileges.sql", earlier / "sql" / "privileges.sql")
        tests = [name for name in TESTS if (earlier / name).is_dir()]
        (earlier / "left_out.py").write_text(PLUGIN.format(left_out={*left_out}))
        command = [sys.executable, "-m", "pytest", "-q", "-p", "left_out", *tests]
        return subprocess.run(command, cwd=earlier, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else previous_commit(ROOT)))
    except NoRelease as error:
        sys.exit(f"make: {error}")
