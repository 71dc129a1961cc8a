"""The database goes away and comes back, in each way that operators know."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg

from service.embedded.cluster import SERVICE_ROLE
from tests.faults.controls.without_outage_protection import DEADLINES, MEANING, PACING
from tests.faults.harness import service_network
from tests.faults.harness.fault import Fault
from tests.faults.harness.outage import PASSWORD, Scenario, Stage, run

TERMINATE: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


class Stopped(Scenario):
    """A shutdown, and a start after a while."""

    says = "can't be reached"

    async def make(self, stage: Stage) -> None:
        await asyncio.to_thread(stage.postgres.stop)

    async def mend(self, stage: Stage) -> None:
        await asyncio.to_thread(stage.postgres.start)


class Restarted(Stopped):
    """A shutdown, and a start at once."""

    holds, says = (0,), ""


class Terminated(Scenario):
    """Every session is ended; the server takes new ones all the time."""

    holds = (0,)

    async def make(self, stage: Stage) -> None:
        await stage.run(TERMINATE)

    async def mend(self, stage: Stage) -> None:
        pass


class Full(Scenario):
    """Others have all the connections."""

    says = "too many clients|remaining connection slots"
    options = ("-c", "max_connections=20")

    async def make(self, stage: Stage) -> None:
        full = asyncio.Event()
        self._taking = asyncio.create_task(self._take(stage, full))
        await full.wait()
        stage.proxy.attempts.clear()  # those until now were answers to what was done to it here

    async def _take(self, stage: Stage, full: asyncio.Event) -> None:
        """Take each connection that is free, and end the service's; full: it has had none for a moment."""
        theirs = f"{TERMINATE} AND usename = '{SERVICE_ROLE}' AND pid <> ALL ($1::int[])"
        raw, quiet = await asyncpg.connect(stage.postgres.dsn), 0
        try:
            while True:
                with suppress(asyncpg.TooManyConnectionsError):
                    while True:
                        stage.kept.append(await asyncpg.connect(stage.postgres.service_dsn))
                ended = await raw.fetch(theirs, [connection.get_server_pid() for connection in stage.kept])
                quiet = 0 if ended else quiet + 1
                if quiet == 3:
                    full.set()
                await asyncio.sleep(0.05)
        finally:
            await raw.close()

    async def mend(self, stage: Stage) -> None:
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)
        for connection in stage.kept:
            await connection.close()
        stage.kept.clear()


class Limited(Scenario):
    """The role may have no connections."""

    says = "too many connections for role"

    async def make(self, stage: Stage) -> None:
        await stage.run(f"ALTER ROLE {SERVICE_ROLE} CONNECTION LIMIT 0", TERMINATE)

    async def mend(self, stage: Stage) -> None:
        await stage.run(f"ALTER ROLE {SERVICE_ROLE} CONNECTION LIMIT -1")


class PasswordChanged(Scenario):
    """The role has another password than the service was given, and then that one again."""

    says = "password authentication failed"

    async def ready(self, stage: Stage) -> None:
        rules = stage.directory / "postgres" / "postgres" / "pg_hba.conf"
        rules.write_text(f"local all {SERVICE_ROLE} scram-sha-256\nlocal all all trust\n")
        await stage.run(f"ALTER ROLE {SERVICE_ROLE} PASSWORD '{PASSWORD}'", "SELECT pg_reload_conf()")

    async def make(self, stage: Stage) -> None:
        await stage.run(f"ALTER ROLE {SERVICE_ROLE} PASSWORD 'another'", TERMINATE)

    async def mend(self, stage: Stage) -> None:
        await stage.run(f"ALTER ROLE {SERVICE_ROLE} PASSWORD '{PASSWORD}'")


class Frozen(Scenario):
    """All of its processes stand still: the kernel goes on taking connections, and nobody answers."""

    says = "did not answer"
    holds = (4,)

    async def make(self, stage: Stage) -> None:
        stage.postgres.freeze()

    async def mend(self, stage: Stage) -> None:
        stage.postgres.thaw()


class DiskFull(Scenario):
    """Its disk, a small tmpfs, is full: it fails, and does not start again until there is room."""

    says = "can't be reached"
    size: Final = 160 * 2**20

    @contextmanager
    def prepare(self, directory: Path) -> Iterator[None]:
        directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size}", "none", str(directory)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)

    async def make(self, stage: Stage) -> None:
        await asyncio.to_thread(_fill, stage.directory / "postgres" / "filler")
        deadline = time.monotonic() + 30
        while not stage.postgres.ended():
            assert time.monotonic() < deadline, "PostgreSQL lives on without room"
            try:
                await stage.run("SELECT pg_logical_emit_message(false, '', repeat('x', 8000000))")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.05)

    async def mend(self, stage: Stage) -> None:
        (stage.directory / "postgres" / "filler").unlink()
        await asyncio.to_thread(stage.postgres.start)


def _fill(file: Path) -> None:
    """Leave no room beside a file."""
    with file.open("wb", buffering=0) as filler:
        for size in (2**20, 4096):
            with suppress(OSError):
                while True:
                    filler.write(bytes(size))


class NetworkCut(Scenario):
    """Every packet is lost, and nobody is told."""

    says = "did not answer"
    holds = (13, 3.5, 6)
    statement_timeout, request_timeout = 5, 10
    host, http_host = service_network.DATABASE[0], service_network.CLIENTS[1]

    @contextmanager
    def prepare(self, directory: Path) -> Iterator[None]:
        with service_network.namespace() as self._namespace:
            self.prefix = self._namespace.prefix
            yield

    async def ready(self, stage: Stage) -> None:
        self._counted: list[float] = []
        self._counting = asyncio.create_task(self._count(stage))

    async def _count(self, stage: Stage) -> None:
        """Note each connection that the service begins: its packets may never arrive."""
        known = 0
        while True:
            await asyncio.sleep(0.02)
            if stage.replica.service is not None:
                begun = service_network.attempts(stage.replica.service.process.pid)
                self._counted += [time.monotonic()] * (begun - known)
                known = begun

    async def make(self, stage: Stage) -> None:
        self._namespace.cut()

    async def mend(self, stage: Stage) -> None:
        self._namespace.mend()

    def attempts(self, _: Stage) -> list[float]:
        self._counting.cancel()
        return self._counted


_WORDS: Final = "every request ends by its deadline with 503 and Retry-After or 504, readiness says why"
_BACK: Final = "success and readiness within 2 s of its return, no reconnect storm, memory flat"


def _fault(
    name: str, scenario: type[Scenario], times: int, without: str, impossible: Callable[[], str] = lambda: ""
) -> Fault:
    what = " ".join((scenario.__doc__ or "").split())
    return Fault(
        name=f"database-{name}",
        what=f"the database is away: {what[0].lower()}{what[1:].rstrip('.')}",
        promise=f"{_WORDS}; {_BACK}",
        run=partial(run, scenario, ""),
        times=times,
        without=without,
        control=partial(run, scenario, without),
        control_times=1,
        impossible=impossible,
    )


def _no_disk() -> str:
    """Why there can't be a small disk here; "" if there can."""
    if os.geteuid() != 0:
        return "filling a disk takes root, to mount a small tmpfs"
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False, text=True
    )
    return "" if tried.returncode == 0 else f"a tmpfs can't be mounted here: {tried.stderr.strip()}"


FAULTS: Final = (
    _fault("stopped", Stopped, 3, PACING),
    _fault("restarted", Restarted, 5, MEANING),
    _fault("terminated", Terminated, 5, MEANING),
    _fault("full", Full, 2, MEANING),
    _fault("limited", Limited, 2, PACING),
    _fault("password", PasswordChanged, 2, MEANING),
    _fault("frozen", Frozen, 3, DEADLINES),
    _fault("disk-full", DiskFull, 2, PACING, _no_disk),
    _fault("network-cut", NetworkCut, 3, DEADLINES, service_network.why_impossible),
)
