"""What a command loads: httpx and the Python client only for calls of a server."""

import subprocess
import sys
from pathlib import Path

import pytest
import requests

from service.client.missing import client_missing
from tests.factories import World
from tests.process.running import ROOT, environment, running_service

WITHOUT = "tests.commands.without_httpx"


def run(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", WITHOUT, *arguments],
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        check=False,
    )


async def test_command_beside_the_database_loads_no_httpx(dsn: str, world: World) -> None:
    """Nor does `--help`, for which no more is loaded."""
    await world.user("ada")
    done = run("user", "list", "--organization", str(world.id), DATABASE_URL=dsn)

    assert (done.returncode, done.stderr, "ada" in done.stdout) == (0, "", True)


def test_service_loads_no_httpx(dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, dsn, module=WITHOUT) as service:
        assert requests.get(f"{service.api}/api/v1/flow/pipeline", timeout=10).status_code == 401


@pytest.mark.parametrize(
    "command",
    [("user", "list", "--server", "http://127.0.0.1:1"), ("login", "--sso", "http://127.0.0.1:1")],
    ids=lambda command: command[0],
)
def test_client_that_is_not_installed_is_told(command: tuple[str, ...], tmp_path: Path) -> None:
    done = run(*command, FLOW_PIPELINES_TOKEN="fp_x", XDG_CONFIG_HOME=str(tmp_path))

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is not installed, which calls of a server take: `pip install` the wheel" in done.stderr


def test_client_of_another_version_is_told() -> None:
    assert str(client_missing(ImportError("cannot import name 'reason_of'"))) == (
        "The Python client that is installed is of another version than this program: `pip install` the wheel"
        " flow_pipelines_client that is beside this program's, or clients/python of its source."
    )
