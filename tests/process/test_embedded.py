import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from service.embedded import embedded_postgres
from service.errors import StartupError
from service.postgres_programs import find_programs
from tests.process.running import ROOT, wait_for

HOLD = """
import sys, time
from pathlib import Path
from service.embedded import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as dsn:
    print(dsn, flush=True)
    time.sleep(60)
"""


@contextmanager
def holding(directory: Path, *prefix: str) -> Iterator[Callable[[], None]]:
    """Another process that uses the server and has said so; yields how to kill it, by kill -9."""
    command = [*prefix, sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:

        def kill() -> None:
            process.kill()
            process.wait()

        assert process.stdout
        assert process.stdout.readline().startswith("postgresql://")
        yield kill
        kill()


def let_others_through(path: Path) -> None:
    """Somebody else must be able to reach a test's directory."""
    for parent in (path, *path.parents):
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)


def servers(directory: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] == "postgres" and process.status() != psutil.STATUS_ZOMBIE:
            try:
                if Path(process.cwd()) == directory / "postgres":
                    found.append(process)
            except psutil.Error:
                continue
    return found


async def value(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_data_outlive_the_server(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path) as dsn:
        await value(dsn, "CREATE TABLE kept AS SELECT 1 AS one")
    assert servers(tmp_path) == []

    with embedded_postgres(tmp_path) as dsn:
        assert await value(dsn, "SELECT one FROM kept") == 1


async def test_one_that_runs_is_used_and_left_running(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path) as dsn:
        with holding(tmp_path):
            pass

        assert await value(dsn, "SELECT 1") == 1


def test_nothing_is_left_after_kill_9(tmp_path: Path) -> None:
    with holding(tmp_path) as kill:
        assert servers(tmp_path)

        kill()

        wait_for(lambda: servers(tmp_path) == [])


async def test_it_starts_again_right_after_kill_9(tmp_path: Path) -> None:
    with holding(tmp_path) as kill:
        kill()

        with embedded_postgres(tmp_path) as dsn:
            assert await value(dsn, "SELECT 1") == 1


async def test_a_stale_pid_file_that_names_another_process_is_no_hindrance(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path):
        pass
    sleeper = await asyncio.create_subprocess_exec("sleep", "60")
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{sleeper.pid}\n{tmp_path / 'postgres'}\n")

    with embedded_postgres(tmp_path) as dsn:
        assert await value(dsn, "SELECT 1") == 1

    assert sleeper.returncode is None
    sleeper.kill()
    await sleeper.wait()


async def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 60) / ("y" * 60)

    with embedded_postgres(long) as dsn:
        assert str(long) not in dsn
        assert await value(dsn, "SELECT 1") == 1


async def test_an_initdb_killed_in_the_middle(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18")

    with embedded_postgres(tmp_path) as dsn:
        assert await value(dsn, "SELECT 1") == 1


def test_data_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")

    with pytest.raises(StartupError, match="was made by PostgreSQL 9, but this is"), embedded_postgres(tmp_path):
        pass


def test_a_server_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    with (
        pytest.raises(StartupError, match=r"PostgreSQL did not start: .*no_such_setting.* \(more in .*postgres.log\)"),
        embedded_postgres(tmp_path, ("-c", "no_such_setting=1")),
    ):
        pass


def test_no_postgresql_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.postgres_programs._candidates", lambda: iter([Path("/nonexistent")]))

    with pytest.raises(StartupError, match=r"There is no PostgreSQL 15 or newer to start: .*DATABASE_URL"):
        find_programs()


def test_only_this_user_reaches_it(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / "data"):
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@needs_root
def test_as_a_normal_user(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    let_others_through(tmp_path)
    with holding(data, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") as kill:
        assert {server.uids().real for server in servers(data)} == {65534}

        kill()

        wait_for(lambda: servers(data) == [])


@needs_root
def test_as_root_where_user_namespaces_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = tmp_path / "bin" / "unshare"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    let_others_through(tmp_path)
    monkeypatch.setenv("PATH", f"{refusing.parent}:{os.environ['PATH']}")
    with holding(tmp_path / "data") as kill:
        assert {server.uids().real for server in servers(tmp_path / "data")} == {65534}

        kill()

        wait_for(lambda: servers(tmp_path / "data") == [])
