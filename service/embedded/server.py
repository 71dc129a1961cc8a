"""A PostgreSQL server on a directory: its cluster, its start and its end."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from service.embedded.files import make_private, make_socket_directory, read_server_pid, read_socket_directory
from service.embedded.programs import Programs, without_libpq_variables
from service.errors import StartupError

_LAST_WORDS: Final = 2**20
"""Bytes of a server's log that are looked through for why it did not start."""
_WAIT: Final = 60.0
"""Seconds for a server to start, or to end."""
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Server:
    """A data directory, and the server on it."""

    programs: Programs
    directory: Path
    options: Sequence[str]
    """More arguments for `postgres`."""
    database: str
    role: str
    """The one database and the one role beside those that every cluster has."""

    @property
    def dsn(self) -> str:
        """The address of the running server, by the superuser."""
        return f"postgresql://postgres@/{self.database}?host={quote(read_socket_directory(self._pid_file))}"

    @property
    def _cluster(self) -> Path:
        return self.directory / "postgres"

    @property
    def _pid_file(self) -> Path:
        return self._cluster / "postmaster.pid"

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the server, with its database, as a child of this process that ends when the calling thread does.

        Raises:
            StartupError: it does not start; the sentence quotes its log.
        """
        self._wait_for_former_server()
        self._make_cluster()
        sockets = make_socket_directory(self.directory, self.programs.owner)
        log = self.directory / "postgres.log"
        with log.open("ab") as output:
            begins = output.tell()
            process = self._spawn(sockets, output)
        try:
            deadline = time.monotonic() + _WAIT
            while not self.answers():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise StartupError(
                        f"PostgreSQL did not start: {_failures(_read_from(log, begins))[-1]} (more in {log})."
                    )
                time.sleep(0.02)
            self._make_database()
        except BaseException:
            self.end(process)
            raise
        return process

    def answers(self) -> bool:
        """Return whether a server runs here and takes connections."""
        sockets = read_socket_directory(self._pid_file)
        return bool(sockets) and not self.programs.run("pg_isready", "-q", "-h", sockets, "-U", "postgres").returncode

    def end(self, process: "subprocess.Popen[bytes]") -> None:
        """End it by a fast shutdown; if that takes too long, by an immediate one, which loses nothing either."""
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_WAIT)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(_WAIT)

    def _wait_for_former_server(self) -> None:
        """Wait until a server whose owner was killed has ended; postmaster.pid may name an unrelated process by now."""
        deadline = time.monotonic() + _WAIT
        while pid := read_server_pid(self._pid_file):
            if time.monotonic() > deadline:
                raise StartupError(
                    f"Another PostgreSQL, process {pid}, runs on {self._cluster}:"
                    " end it, or set DATABASE_URL to reach it, or DATA_DIR to another directory."
                )
            time.sleep(0.02)
        self._pid_file.unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        """Run initdb, under another name first: a directory whose initdb was killed in the middle is no cluster.

        It does not wait until a thousand files are on the disk, which takes longer than all else of a first start: the
        system writes them within half a minute. Only if the machine itself fails before is it to be made anew.
        """
        version = self._cluster / "PG_VERSION"
        if version.exists():
            found = version.read_text().strip()
            if found != str(self.programs.major):
                raise StartupError(
                    f"{self._cluster} was made by PostgreSQL {found}, but this is {self.programs.major}:"
                    " set DATA_DIR to another directory, or dump it with the old version and restore it here."
                )
            return
        unfinished = self.directory / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        make_private(unfinished, self.programs.owner)
        options = ("-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions", "--no-sync")
        made = self.programs.run("initdb", "-D", str(unfinished), *options)
        if made.returncode:
            raise StartupError(f"initdb failed in {self.directory}: {_failures(made.stderr)[0]}")
        unfinished.rename(self._cluster)

    def _spawn(self, sockets: Path, output: IO[bytes]) -> "subprocess.Popen[bytes]":
        settings = ("-c", "listen_addresses=", "-c", f'unix_socket_directories="{sockets}"')
        parent = os.getpid()

        def end_with_parent() -> None:
            """Let the kernel send SIGINT, a fast shutdown, when the parent dies in whatever way."""
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
            if os.getppid() != parent:
                os._exit(1)  # the parent died before

        return subprocess.Popen(
            [*self.programs.command("postgres"), "-D", str(self._cluster), *settings, *self.options],
            stdin=subprocess.DEVNULL,
            env=without_libpq_variables(),
            stdout=output,
            stderr=output,
            start_new_session=True,  # so that Ctrl-C reaches the service alone, which then ends the server
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - makes system calls only
        )

    def _make_database(self) -> None:
        """Create the role and the database where missing: the start before may have been killed between the two.

        Only that role and the superuser get into any database of the server.
        """
        connect = ("-X", "-h", read_socket_directory(self._pid_file), "-U", "postgres")
        role = f"""
            DO $$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{self.role}') THEN
                    CREATE ROLE {self.role} LOGIN;
                END IF;
                IF has_database_privilege('public', 'postgres', 'CONNECT') THEN
                    REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC;
                END IF;
            END $$
        """
        close = f"""
            DO $$ BEGIN
                IF has_database_privilege('public', '{self.database}', 'CONNECT') THEN
                    REVOKE CONNECT, TEMPORARY ON DATABASE {self.database} FROM PUBLIC;
                END IF;
                IF NOT has_database_privilege('{self.role}', '{self.database}', 'CONNECT') THEN
                    GRANT CONNECT ON DATABASE {self.database} TO {self.role};
                END IF;
            END $$
        """
        made = self.programs.run("psql", *connect, "-d", "postgres", "-c", role)
        if not made.returncode and self.programs.run("psql", *connect, "-d", self.database, "-c", close).returncode:
            made = self.programs.run("psql", *connect, "-d", "postgres", "-c", f"CREATE DATABASE {self.database}")
            if not made.returncode:
                made = self.programs.run("psql", *connect, "-d", self.database, "-c", close)
        if made.returncode:
            raise StartupError(f"The database {self.database} can't be made: {_failures(made.stderr)[-1]}")


def _read_from(log: Path, begins: int) -> bytes:
    """Return the end of what a log has from a place on: all that was written before may be gigabytes."""
    with log.open("rb") as file:
        file.seek(max(begins, log.stat().st_size - _LAST_WORDS))
        return file.read(_LAST_WORDS)


def _failures(output: bytes) -> list[str]:
    """Return the lines that say what went wrong, else all there are, and never none.

    The first is the cause of the others where a program does one thing, as initdb: on a full disk a panic follows it. A
    server goes on after some, as after one by which it refuses a client before it is ready: there the last one matters.
    """
    lines = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if re.search(r"\b(FATAL|PANIC|ERROR|error):", line)]
    return told or lines or ["it said nothing"]
