"""Node, and what `make js` installs for it; without them, tests are skipped, and say so."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TYPESCRIPT = ROOT / "tests" / "clients" / "typescript"
NO_NODE = "NO NODE FOUND, SO NO CLIENT IN JAVASCRIPT OR TYPESCRIPT IS TESTED: put node, 20 or newer, on the PATH"
NOT_INSTALLED = "NODE'S PACKAGES ARE NOT INSTALLED, SO NO TYPESCRIPT CLIENT IS MADE: `make js` installs them"


def node() -> str:
    """Return the path of Node, or skip the test."""
    found = shutil.which("node")
    if found is None:
        pytest.skip(NO_NODE)
    return found


def tool(directory: Path, name: str) -> str:
    """Return the path of a program of Node's packages, or skip the test."""
    node()
    found = directory / "node_modules" / ".bin" / name
    if not found.exists():
        pytest.skip(NOT_INSTALLED)
    return str(found)


def output_of(*command: str, cwd: Path, **environment: str) -> str:
    """Run a program; return its output, or fail with it."""
    path = {"PATH": str(Path(node()).parent) + ":/usr/bin:/bin"}
    done = subprocess.run(command, cwd=cwd, env={**path, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
