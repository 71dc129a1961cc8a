"""What the harnesses kill and start again: a PostgreSQL server, and a service in front of it."""

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

TERMINATED: Final = 30.0
"""Seconds for killed processes to be gone."""


class Postgres:
    """A PostgreSQL server that keeps what it commits: nothing of its safety is switched off, as other tests do.

    It ends with the thread that starts it.
    """

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory.absolute()
        self.programs = find_programs()
        make_data_directory(self.directory, self.programs.owner)
        self._server = Server(self.programs, self.directory, options, DATABASE, SERVICE_ROLE)
        self._process: Popen[bytes] | None = None
        self.dsn = ""
        """For the superuser; the same after each start."""

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
        """kill -9 of the postmaster and everything it started."""
        assert self._process is not None
        processes = self.signal(signal.SIGKILL)
        self._process.wait(TERMINATED)
        psutil.wait_procs(processes, TERMINATED)  # one that is left would keep the next server from the data

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

    def ended(self) -> bool:
        """Whether it has ended, by itself or not."""
        return self._process is None or self._process.poll() is not None

    def stop(self) -> None:
        """A fast shutdown, if it runs, frozen or not."""
        if self._process is not None and not self.ended():
            self.thaw()
            self._server.end(self._process)


class Replica:
    """A service process on the same address each time that it is started."""

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
        """kill -9."""
        assert self.service is not None
        self.service.process.kill()
        self.stop()

    def stop(self) -> None:
        """SIGTERM, if it runs."""
        if self._running is not None:
            self._running.__exit__(None, None, None)
            self._running = None
