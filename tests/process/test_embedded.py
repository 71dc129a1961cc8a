import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import psutil
import pytest

from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from service.embedded.files import make_socket_directory
from service.embedded.programs import Programs, find_programs
from service.errors import StartupError
from tests.commands.forked import run
from tests.process.running import ROOT, runs, wait_for

HOLD = """
import sys, time
from pathlib import Path
from service.embedded.cluster import embedded_postgres
with embedded_postgres(Path(sys.argv[1])) as dsn:
    print(dsn, flush=True)
    time.sleep(60)
"""


@contextmanager
def holding(directory: Path, *prefix: str) -> Iterator[Callable[[], None]]:
    """Start another process that uses the server, and yield a function that kills it by kill -9."""
    command = [*prefix, sys.executable, "-c", HOLD, str(directory)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:

        def kill() -> None:
            process.kill()
            process.wait()

        assert process.stdout
        assert process.stdout.readline().startswith("postgresql://")
        yield kill
        kill()


LOOK = """
import sys
from pathlib import Path
from service.embedded.files import read_server_pid
print(read_server_pid(Path(sys.argv[1])))
"""

CTRL_C = """
import asyncio, sys, time
from pathlib import Path
import asyncpg
from service.embedded.cluster import embedded_postgres
async def ask(dsn):
    connection = await asyncpg.connect(dsn)
    print(await connection.fetchval("SELECT 'still here'"), flush=True)
    await connection.close()
with embedded_postgres(Path(sys.argv[1])) as dsn:
    try:
        print(dsn, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        time.sleep(0.3)
        asyncio.run(ask(dsn))
"""


def let_others_through(path: Path) -> None:
    """Let other users reach a test's directory."""
    for parent in (path, *path.parents):
        if parent.stat().st_uid == os.getuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)


def servers(directory: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != "postgres":
            continue
        try:
            if runs(process) and Path(process.cwd()) == directory / "postgres":
                found.append(process)
        except psutil.Error:  # it ended meanwhile
            continue
    return found


def users(processes: list[psutil.Process]) -> set[int]:
    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):  # a worker of PostgreSQL ends when its work is done
            found.add(process.uids().real)
    return found


async def value(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def reached_in(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


async def test_embedded_postgres_keeps_its_data_over_restarts(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path) as dsn:
        await value(dsn, "CREATE TABLE kept AS SELECT 1 AS one")
    assert servers(tmp_path) == []

    with embedded_postgres(tmp_path) as dsn:
        assert await value(dsn, "SELECT one FROM kept") == 1


async def test_embedded_postgres_that_runs_is_shared_and_left_running(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path) as dsn:
        with holding(tmp_path):
            pass

        assert await value(dsn, "SELECT 1") == 1


async def test_embedded_postgres_started_twice_at_once_is_one_server(tmp_path: Path) -> None:
    command = (sys.executable, "-c", HOLD, str(tmp_path))
    both = [await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE) for _ in range(2)]
    try:
        said = [await process.stdout.readline() for process in both if process.stdout]

        assert said[0] == said[1]
        assert said[0].startswith(b"postgresql://")
        assert len([server for server in servers(tmp_path) if server.ppid() in {each.pid for each in both}]) == 1
    finally:
        for process in both:
            process.kill()
            await process.wait()


async def test_embedded_postgres_begun_while_another_use_ends(tmp_path: Path) -> None:
    for _ in range(3):
        first = embedded_postgres(tmp_path)
        first.__enter__()
        ending = asyncio.create_task(asyncio.to_thread(first.__exit__, None, None, None))
        await asyncio.sleep(0.01)  # it has its turn
        second = embedded_postgres(tmp_path)
        dsn = await asyncio.to_thread(second.__enter__)
        try:
            await ending

            assert await value(dsn, "SELECT 1") == 1
        finally:
            second.__exit__(None, None, None)


def test_ctrl_c_reaches_only_the_process_that_started_the_server(tmp_path: Path) -> None:
    command = (sys.executable, "-c", CTRL_C, str(tmp_path))
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        process.stdout.readline()

        os.killpg(process.pid, signal.SIGINT)

        assert process.stdout.read() == "still here\n"
    assert servers(tmp_path) == []


def test_embedded_postgres_reports_a_server_that_died_while_its_owner_lives(tmp_path: Path) -> None:
    with holding(tmp_path):
        for server in servers(tmp_path):
            server.kill()
        wait_for(lambda: servers(tmp_path) == [])

        with pytest.raises(StartupError, match="does not answer, but the command"), embedded_postgres(tmp_path):
            pass


def test_embedded_postgres_leaves_a_server_of_another_program_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_postgres(tmp_path):
        pass
    cluster = tmp_path / "postgres"
    options = ("-D", str(cluster), "-c", "listen_addresses=", "-c", f"unix_socket_directories={tmp_path}")
    monkeypatch.setattr("service.embedded.server._WAIT", 0.5)
    with subprocess.Popen([*find_programs().command("postgres"), *options], stderr=subprocess.DEVNULL) as process:
        try:
            pid_file = cluster / "postmaster.pid"
            wait_for(lambda: pid_file.exists() and "ready" in pid_file.read_text())

            with pytest.raises(StartupError, match=f"process {process.pid}, runs on"), embedded_postgres(tmp_path):
                pass

            assert process.poll() is None
            assert pid_file.exists()
        finally:
            process.send_signal(signal.SIGINT)


def test_server_ends_after_kill_9_of_its_owner(tmp_path: Path) -> None:
    with holding(tmp_path) as kill:
        assert servers(tmp_path)

        kill()

        wait_for(lambda: servers(tmp_path) == [])


async def test_embedded_postgres_starts_again_right_after_kill_9(tmp_path: Path) -> None:
    with holding(tmp_path) as kill:
        kill()

        with embedded_postgres(tmp_path) as dsn:
            assert await value(dsn, "SELECT 1") == 1


async def test_embedded_postgres_ignores_a_stale_pid_file_that_names_another_process(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path):
        pass
    sleeper = await asyncio.create_subprocess_exec("sleep", "60")
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{sleeper.pid}\n{tmp_path / 'postgres'}\n")

    with embedded_postgres(tmp_path) as dsn:
        assert await value(dsn, "SELECT 1") == 1

    assert sleeper.returncode is None
    sleeper.kill()
    await sleeper.wait()


@pytest.mark.parametrize("name", ["x" * 60 + "/" + "y" * 60, "ü" * 45, "a,b", 'a"b', "a b"])
async def test_embedded_postgres_in_a_path_unfit_for_a_socket(tmp_path: Path, name: str) -> None:
    with embedded_postgres(tmp_path / name) as dsn:
        assert await value(dsn, "SELECT 1") == 1


async def test_embedded_postgres_in_a_path_that_is_no_text(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / os.fsdecode(b"caf\xe9")) as dsn:
        await (await asyncpg.connect(dsn)).close()


def test_make_socket_directory_refuses_a_symbolic_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sockets = make_socket_directory(tmp_path / "a,b", None)
    sockets.rmdir()
    sockets.symlink_to(elsewhere)

    with pytest.raises(StartupError, match="is not a directory of this user's"):
        make_socket_directory(tmp_path / "a,b", None)

    assert elsewhere.stat().st_mode & 0o777 == 0o755


async def test_embedded_postgres_after_an_initdb_killed_in_the_middle(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres.unfinished"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18")

    with embedded_postgres(tmp_path) as dsn:
        assert await value(dsn, "SELECT 1") == 1


def test_embedded_postgres_refuses_data_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")

    with pytest.raises(StartupError, match="was made by PostgreSQL 9, but this is"), embedded_postgres(tmp_path):
        pass


def test_embedded_postgres_quotes_a_server_that_does_not_start(tmp_path: Path) -> None:
    with (
        pytest.raises(StartupError, match=r"PostgreSQL did not start: .*no_such_setting.* \(more in .*postgres.log\)"),
        embedded_postgres(tmp_path, ("-c", "no_such_setting=1")),
    ):
        pass


def test_find_programs_without_any_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.embedded.programs._candidates", lambda: iter([Path("/nonexistent")]))

    with pytest.raises(StartupError, match=r"There is no PostgreSQL 15 or newer to start: .*DATABASE_URL"):
        find_programs()


def test_embedded_postgres_is_reached_by_this_user_alone(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / "data") as dsn:
        assert [path.stat().st_mode & 0o077 for path in (tmp_path / "data", reached_in(dsn))] == [0, 0]


def test_data_directory_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    with embedded_postgres(tmp_path) as dsn:
        assert tmp_path.stat().st_mode & 0o777 == 0o755
        assert reached_in(dsn).stat().st_mode & 0o077 == 0


def test_data_directory_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StartupError, match="set DATA_DIR to"), embedded_postgres(directory):
            pass


async def test_embedded_postgres_makes_the_service_role_where_it_is_missing(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path) as dsn:
        await value(dsn, f"DROP OWNED BY {SERVICE_ROLE}")
        await value(dsn, f"DROP ROLE {SERVICE_ROLE}")

    with embedded_postgres(tmp_path) as dsn:
        assert await value(dsn.replace("//postgres@", f"//{SERVICE_ROLE}@"), "SELECT current_user") == SERVICE_ROLE


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")


@needs_root
def test_server_of_a_normal_user_runs_as_that_user(tmp_path: Path) -> None:
    as_user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if subprocess.run([*as_user, sys.executable, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip("a normal user can't run this Python, which lies in a directory of root's own")
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 65534, 65534)
    let_others_through(tmp_path)
    with holding(data, *as_user) as kill:
        assert users(servers(data)) == {65534}

        kill()

        wait_for(lambda: servers(data) == [])


@pytest.fixture
def namespaces_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = tmp_path / "bin" / "unshare"
    refusing.parent.mkdir()
    refusing.write_text("#!/bin/sh\nexit 1\n")
    refusing.chmod(0o755)
    let_others_through(tmp_path)
    monkeypatch.setenv("PATH", f"{refusing.parent}:{os.environ['PATH']}")


@needs_root
@pytest.mark.usefixtures("namespaces_refused")
def test_read_server_pid_where_root_may_not_look_into_other_processes(tmp_path: Path) -> None:
    pid_file = tmp_path / "data" / "postgres" / "postmaster.pid"
    weakened = ("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all", sys.executable, "-c", LOOK, str(pid_file))
    with holding(tmp_path / "data"):
        said = subprocess.run(weakened, cwd=ROOT, capture_output=True, text=True, check=True).stdout

        assert said.split() == pid_file.read_text().split()[:1]


@needs_root
@pytest.mark.usefixtures("namespaces_refused")
def test_server_of_root_runs_unprivileged_where_user_namespaces_are_refused(tmp_path: Path) -> None:
    with holding(tmp_path / "data") as kill:
        assert users(servers(tmp_path / "data")) == {65534}

        kill()

        wait_for(lambda: servers(tmp_path / "data") == [])


def test_libpqs_variables_do_not_concern_the_embedded_database(tmp_path: Path) -> None:
    """Whatever other databases they are about, and whatever reads them: client, server, initdb, psql."""
    odd = {
        "PGHOST": "db.invalid",
        "PGHOSTADDR": "10.0.0.1",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGPASSWORD": "x",
        "PGDATABASE": "none",
        "PGSERVICE": "none",
        "PGSERVICEFILE": "/none",
        "PGPASSFILE": "/dev/null",
        "PGSSLMODE": "verify-full",
        "PGSSLNEGOTIATION": "direct",
        "PGSSLROOTCERT": "/none",
        "PGSSLMINPROTOCOLVERSION": "none",
        "PGCHANNELBINDING": "require",
        "PGGSSENCMODE": "require",
        "PGGSSLIB": "none",
        "PGREQUIREAUTH": "scram-sha-256",
        "PGREQUIREPEER": "nobody",
        "PGTARGETSESSIONATTRS": "standby",
        "PGOPTIONS": "-c search_path=none",
        "PGCLIENTENCODING": "LATIN1",
        "PGCONNECT_TIMEOUT": "none",
        "PGAPPNAME": "none",
        "PGDATA": "/none",
        "PGTZ": "none",
        "PGDATESTYLE": "none",
        "PGSYSCONFDIR": "/none",
    }
    begun = time.monotonic()
    for arguments in (["migrate"], ["import", "sql/demo.ndjson"], ["user", "list"], ["doctor", "--grace", "60"]):
        done = run(*arguments, DATABASE_URL="", DATA_DIR=str(tmp_path / "data"), **odd)
        assert done.returncode == 0, (done.stdout, done.stderr)

    assert time.monotonic() - begun < 30


def test_cluster_is_made_without_waiting_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments: dict[str, tuple[str, ...]] = {}
    run_program = Programs.run

    def record(self: Programs, name: str, *given: str) -> "subprocess.CompletedProcess[bytes]":
        arguments[name] = given
        return run_program(self, name, *given)

    monkeypatch.setattr(Programs, "run", record)
    with embedded_postgres(tmp_path):
        pass

    assert "--no-sync" in arguments["initdb"]


def test_initdb_that_fails_is_told_by_the_cause_of_its_later_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = b"""performing post-bootstrap initialization ...
2026-11-27 04:26:23.200 UTC [25] FATAL:  could not extend file "base/1/2691": No space left on device
2026-11-27 04:26:23.200 UTC [25] HINT:  Check free disk space.
2026-11-27 04:26:23.200 UTC [25] PANIC:  cannot abort transaction 1, it was already committed
child process exited with exit code 134
"""
    monkeypatch.setattr(Programs, "run", lambda *_: subprocess.CompletedProcess([], 1, b"", said))

    with pytest.raises(StartupError, match=r"No space left on device$"), embedded_postgres(tmp_path):
        pass
