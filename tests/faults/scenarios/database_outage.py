"""Database outages: the database becomes unavailable and returns, in each way that operators know."""

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
from tests.faults.controls.without_outage_protection import DEADLINES, ERROR_MAPPING, PACING
from tests.faults.harness import service_network
from tests.faults.harness.fault import Fault
from tests.faults.harness.outage import PASSWORD, Outage, Testbed, run

TERMINATE: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


class Stopped(Outage):
    """The server is shut down, and started after a while."""

    readiness_reason = "can't be reached"

    async def inject(self, testbed: Testbed) -> None:
        await asyncio.to_thread(testbed.postgres.stop)

    async def repair(self, testbed: Testbed) -> None:
        await asyncio.to_thread(testbed.postgres.start)


class Restarted(Stopped):
    """The server is shut down, and started at once."""

    durations, readiness_reason = (0,), ""


class Terminated(Outage):
    """Every session is terminated; the server accepts new ones all the time."""

    durations = (0,)

    async def inject(self, testbed: Testbed) -> None:
        await testbed.run(TERMINATE)

    async def repair(self, testbed: Testbed) -> None:
        pass


class ConnectionsExhausted(Outage):
    """Other clients hold all connections."""

    readiness_reason = "too many clients|remaining connection slots"
    postgres_options = ("-c", "max_connections=20")

    async def inject(self, testbed: Testbed) -> None:
        full = asyncio.Event()
        self._taking = asyncio.create_task(self._take(testbed, full))
        await full.wait()
        testbed.proxy.attempts.clear()  # the attempts so far were reactions to the injection itself

    async def _take(self, testbed: Testbed, full: asyncio.Event) -> None:
        """Take each free connection, and terminate the service's; set `full` once it has had none for a moment."""
        terminate = f"{TERMINATE} AND usename = '{SERVICE_ROLE}' AND pid <> ALL ($1::int[])"
        held = testbed.held_connections
        raw, quiet = await asyncpg.connect(testbed.postgres.dsn), 0
        try:
            while True:
                with suppress(asyncpg.TooManyConnectionsError):
                    while True:
                        held.append(await asyncpg.connect(testbed.postgres.service_dsn))
                ended = await raw.fetch(terminate, [connection.get_server_pid() for connection in held])
                quiet = 0 if ended else quiet + 1
                if quiet == 3:
                    full.set()
                await asyncio.sleep(0.05)
        finally:
            await raw.close()

    async def repair(self, testbed: Testbed) -> None:
        self._taking.cancel()
        await asyncio.gather(self._taking, return_exceptions=True)
        for connection in testbed.held_connections:
            await connection.close()
        testbed.held_connections.clear()


class RoleConnectionLimit(Outage):
    """The service's role is limited to no connections."""

    readiness_reason = "too many connections for role"

    async def inject(self, testbed: Testbed) -> None:
        await testbed.run(f"ALTER ROLE {SERVICE_ROLE} CONNECTION LIMIT 0", TERMINATE)

    async def repair(self, testbed: Testbed) -> None:
        await testbed.run(f"ALTER ROLE {SERVICE_ROLE} CONNECTION LIMIT -1")


class PasswordChanged(Outage):
    """The role's password is changed, and then changed back to the one that the service was given."""

    readiness_reason = "password authentication failed"

    async def set_up(self, testbed: Testbed) -> None:
        rules = testbed.directory / "postgres" / "postgres" / "pg_hba.conf"
        rules.write_text(f"local all {SERVICE_ROLE} scram-sha-256\nlocal all all trust\n")
        await testbed.run(f"ALTER ROLE {SERVICE_ROLE} PASSWORD '{PASSWORD}'", "SELECT pg_reload_conf()")

    async def inject(self, testbed: Testbed) -> None:
        await testbed.run(f"ALTER ROLE {SERVICE_ROLE} PASSWORD 'another'", TERMINATE)

    async def repair(self, testbed: Testbed) -> None:
        await testbed.run(f"ALTER ROLE {SERVICE_ROLE} PASSWORD '{PASSWORD}'")


class ServerFrozen(Outage):
    """All processes of the server are frozen: the kernel goes on accepting connections that are never answered."""

    readiness_reason = "did not answer"
    durations = (4,)

    async def inject(self, testbed: Testbed) -> None:
        testbed.postgres.freeze()

    async def repair(self, testbed: Testbed) -> None:
        testbed.postgres.thaw()


class DiskFull(Outage):
    """The server's disk, a small tmpfs, is full: it crashes, and does not start again until there is room."""

    readiness_reason = "can't be reached"
    size: Final = 160 * 2**20

    @contextmanager
    def prepare(self, directory: Path) -> Iterator[None]:
        directory.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size}", "none", str(directory)], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(directory)], check=True)

    async def inject(self, testbed: Testbed) -> None:
        await asyncio.to_thread(_fill, testbed.directory / "postgres" / "filler")
        deadline = time.monotonic() + 30
        while not testbed.postgres.has_ended():
            assert time.monotonic() < deadline, "PostgreSQL lives on without room"
            try:
                await testbed.run("SELECT pg_logical_emit_message(false, '', repeat('x', 8000000))")
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.05)

    async def repair(self, testbed: Testbed) -> None:
        (testbed.directory / "postgres" / "filler").unlink()
        await asyncio.to_thread(testbed.postgres.start)


def _fill(file: Path) -> None:
    """Write to a file until its file system is full."""
    with file.open("wb", buffering=0) as filler:
        for size in (2**20, 4096):
            with suppress(OSError):
                while True:
                    filler.write(bytes(size))


class NetworkCut(Outage):
    """Every packet is lost, without an error on either side."""

    readiness_reason = "did not answer"
    durations = (13, 3.5, 6)
    statement_timeout, request_timeout = 5, 10
    host, http_host = service_network.DATABASE[0], service_network.CLIENTS[1]

    @contextmanager
    def prepare(self, directory: Path) -> Iterator[None]:
        with service_network.namespace() as self._namespace:
            self.command_prefix = self._namespace.command_prefix
            yield

    async def set_up(self, testbed: Testbed) -> None:
        self._counted: list[float] = []
        self._counting = asyncio.create_task(self._count(testbed))

    async def _count(self, testbed: Testbed) -> None:
        """Record each connection attempt in the service's namespace, as its packets may never reach the proxy."""
        known = 0
        while True:
            await asyncio.sleep(0.02)
            if testbed.replica.service is not None:
                begun = service_network.connection_attempts(testbed.replica.service.process.pid)
                self._counted += [time.monotonic()] * (begun - known)
                known = begun

    async def inject(self, testbed: Testbed) -> None:
        self._namespace.cut()

    async def repair(self, testbed: Testbed) -> None:
        self._namespace.restore()

    def attempts(self, _: Testbed) -> list[float]:
        self._counting.cancel()
        return self._counted


SHOWS: Final = {
    PACING: "it tried to connect",
    ERROR_MAPPING: "a request ended with 500",
    DEADLINES: "a request took",
}
"""What is seen without each of the protections."""
_WHILE_AWAY: Final = "every request ends by its deadline with 503 and Retry-After or 504, readiness says why"
_AFTERWARDS: Final = "success and readiness within 2 s of its return, no reconnect storm, memory flat"


def _fault(
    name: str, outage_type: type[Outage], times: int, without: str, why_unavailable: Callable[[], str] = lambda: ""
) -> Fault:
    description = " ".join((outage_type.__doc__ or "").split())
    return Fault(
        name=f"database-{name}",
        description=f"the database is away: {description[0].lower()}{description[1:].rstrip('.')}",
        guarantee=f"{_WHILE_AWAY}; {_AFTERWARDS}",
        run=partial(run, outage_type, ""),
        times=times,
        without=without,
        control=partial(run, outage_type, without),
        control_times=1,
        shows=SHOWS[without],
        why_unavailable=why_unavailable,
    )


def _why_no_small_disk() -> str:
    """Return why no small disk can be mounted here; "" if one can."""
    if os.geteuid() != 0:
        return "filling a disk takes root, to mount a small tmpfs"
    tried = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False, text=True
    )
    return "" if tried.returncode == 0 else f"a tmpfs can't be mounted here: {tried.stderr.strip()}"


FAULTS: Final = (
    _fault("stopped", Stopped, 3, PACING),
    _fault("restarted", Restarted, 5, ERROR_MAPPING),
    _fault("terminated", Terminated, 5, ERROR_MAPPING),
    _fault("full", ConnectionsExhausted, 2, ERROR_MAPPING),
    _fault("limited", RoleConnectionLimit, 2, PACING),
    _fault("password", PasswordChanged, 2, ERROR_MAPPING),
    _fault("frozen", ServerFrozen, 3, DEADLINES),
    _fault("disk-full", DiskFull, 2, PACING, _why_no_small_disk),
    _fault("network-cut", NetworkCut, 3, DEADLINES, service_network.why_unavailable),
)
