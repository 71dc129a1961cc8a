"""Run the API tests of an earlier version, with its own code, on this version's schema and privileges.

That is the state in the middle of an upgrade: the database is migrated, the version before still serves. `make
upgrade-check FROM=<tag or commit>` calls this before a release, with the packages that this version is locked to.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ("tests/api", "tests/operations", "tests/repositories")


def main(revision: str) -> int:
    with tempfile.TemporaryDirectory() as directory:
        archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(directory, filter="data")
        earlier = Path(directory)
        shutil.rmtree(earlier / "sql" / "migrations")
        shutil.copytree(ROOT / "sql" / "migrations", earlier / "sql" / "migrations")
        shutil.copy(ROOT / "sql" / "privileges.sql", earlier / "sql" / "privileges.sql")
        tests = [name for name in TESTS if (earlier / name).is_dir()]
        return subprocess.run([sys.executable, "-m", "pytest", "-q", *tests], cwd=earlier, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
