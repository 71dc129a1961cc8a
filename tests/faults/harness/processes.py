"""The processes under test, which scenarios kill and start again: a PostgreSQL server, and a service in front of it."""

import signal
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from subprocess import Popen
from typing import Final
from urllib.parse import parse_qs, urlsplit

import psutil

from service.embedded.cluster import DATABASE, SERVICE_ROLE
from service.embedded.files import make_data_directory
from service.embedded.programs import find_programs
from service.embedded.server import Server
from tests.process.running import Service, free_port, running_service

TERMINATION_TIMEOUT: Final = 30.0
"""Seconds for killed processes to be gone."""


class Postgres:
    """A PostgreSQL server with full durability, which other tests switch off for speed.

    It ends with the thread that starts it.
    """

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory.absolute()
        self.programs = find_programs()
        make_data_directory(self.directory, self.programs.owner)
        self._server = Server(self.programs, self.directory, options, DATABASE, SERVICE_ROLE)
        self._process: Popen[bytes] | None = None
        self.dsn = ""
        """The superuser's address; the same after each start."""

    @property
    def service_dsn(self) -> str:
        return self.dsn.replace("//postgres@", f"//{SERVICE_ROLE}@", 1)

    @property
    def log(self) -> str:
        return (self.directory / "postgres.log").read_text()

    def start(self) -> None:
        self._process = self._server.start()
        self.dsn = self._server.dsn

    @property
    def socket(self) -> Path:
        return Path(parse_qs(urlsplit(self.dsn).query)["host"][0]) / ".s.PGSQL.5432"

    def kill(self) -> None:
        """Kill the postmaster and everything that it started, by kill -9."""
        assert self._process is not None
        processes = self.signal(signal.SIGKILL)
        self._process.wait(TERMINATION_TIMEOUT)
        psutil.wait_procs(processes, TERMINATION_TIMEOUT)  # a survivor would lock the data directory

    def signal(self, number: signal.Signals) -> list[psutil.Process]:
        """Send a signal to the postmaster and everything it started."""
        assert self._process is not None
        processes = [psutil.Process(self._process.pid)]
        processes += processes[0].children(recursive=True)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        return processes

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def has_ended(self) -> bool:
        """Return whether the postmaster has ended, by itself or not."""
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """Shut down fast if the server runs, frozen or not."""
        if self._process is not None and not self.has_ended():
            self.thaw()
            self._server.end(self._process)


class Replica:
    """A service process that has the same address after each start."""

    def __init__(
        self, directory: Path, dsn: str, *, module: str = "service", prefix: Sequence[str] = (), **settings: str
    ) -> None:
        self._directory, self._dsn, self._module, self._prefix = directory, dsn, module, prefix
        self._settings = {"HTTP_PORT": str(free_port()), **settings}
        self._running: AbstractContextManager[Service] | None = None
        self.service: Service | None = None

    @property
    def port(self) -> int:
        return int(self._settings["HTTP_PORT"])

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._running = running_service(
            self._directory, self._dsn, module=self._module, prefix=self._prefix, **self._settings
        )
        self.service = self._running.__enter__()

    def kill(self) -> None:
        """Kill the process by kill -9."""
        assert self.service is not None
        self.service.process.kill()
        self.stop()

    def stop(self) -> None:
        """Terminate the process by SIGTERM, if it runs."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None
