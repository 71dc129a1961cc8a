"""The PgBouncers of this machine, and how to run one in front of a database.

tests/faults/harness/unpack_pgbouncer.sh                  # unpacks 1.18 and 1.24 into .tools
PGBOUNCER=1.24 .venv/bin/python -m pytest tests/api       # runs the tests of the API through one
PGBOUNCER=1.18 DATABASE_PREPARED_STATEMENTS=false .venv/bin/python -m pytest tests/api
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import asyncpg

from service.embedded.cluster import SERVICE_ROLE
from service.embedded.programs import find_programs
from tests.process.running import free_port, wait_for

TOOLS: Final = Path(__file__).parents[1] / ".tools"
NONE_HERE: Final = "there is no PgBouncer: tests/faults/harness/unpack_pgbouncer.sh unpacks Debian's"

IGNORING: Final = (
    "ignore_startup_parameters ="
    " statement_timeout, lock_timeout, idle_in_transaction_session_timeout, client_connection_check_interval"
)
"""Start-up parameters that PgBouncer can't set for each client, and would refuse."""


@dataclass(frozen=True)
class Program:
    """One PgBouncer."""

    command: tuple[str, ...]
    version: tuple[int, int]

    @property
    def prepares(self) -> bool:
        """True if it can keep the prepared statements of its clients apart."""
        return self.version >= (1, 21)

    @property
    def name(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"

    def transaction_mode(self) -> list[str]:
        """Return the settings that docs/how-to/pgbouncer.md recommends."""
        return [IGNORING, *(["max_prepared_statements = 200"] if self.prepares else [])]


def programs() -> list[Program]:
    """Return the PgBouncers on the PATH and the unpacked ones, which run with their own libraries, oldest first."""
    commands = [(found,)] if (found := shutil.which("pgbouncer")) else []
    found_programs = [*map(_program, commands), *map(_unpacked, sorted(TOOLS.glob("pgbouncer-*")))]
    return sorted({program.version: program for program in found_programs}.values(), key=lambda each: each.version)


def program(name: str) -> Program:
    """Return the PgBouncer of a version, such as "1.18"."""
    return next(each for each in programs() if each.name == name)


def _unpacked(directory: Path) -> Program:
    loader = next(directory.rglob("ld-linux*"))
    libraries = ":".join(str(directory / place) for place in _library_directories(directory))
    return _program((str(loader), "--library-path", libraries, str(directory / "usr/sbin/pgbouncer")))


def _library_directories(directory: Path) -> list[Path]:
    return sorted({library.parent for library in directory.rglob("*.so.*")})


def _program(command: tuple[str, ...]) -> Program:
    said = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = re.findall(r"\d+", said)[:2]
    return Program(command, (int(major), int(minor)))


@contextmanager
def running(
    program: Program, directory: Path, dsn: str, options: Sequence[str], mode: str = "transaction"
) -> Iterator[str]:
    """Run a PgBouncer in front of a database; yield its address for the service's role."""
    parts = urlsplit(dsn)
    port = free_port()
    lines = [
        *("[databases]", f"{parts.path[1:]} = host={parse_qs(parts.query)['host'][0]} user={SERVICE_ROLE}"),
        *("[pgbouncer]", "listen_addr = 127.0.0.1", f"listen_port = {port}", "unix_socket_dir =", "auth_type = any"),
        *(f"pool_mode = {mode}", *options),
    ]
    configuration = directory / f"pgbouncer-{port}.ini"
    configuration.write_text("\n".join(lines) + "\n")
    log = configuration.with_suffix(".log")
    command = [*find_programs().prefix, *program.command, str(configuration)]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_for(lambda: b"process up" in log.read_bytes(), what=f"PgBouncer {program.name}")
            yield f"postgresql://{SERVICE_ROLE}@127.0.0.1:{port}{parts.path}"
        finally:
            process.terminate()


async def open_sessions(pooled: str, count: int) -> None:
    """Make the pooler open so many sessions: it opens one only while all others are in a transaction."""
    clients = [await asyncpg.connect(pooled, statement_cache_size=0) for _ in range(count)]
    for client in clients:
        await client.execute("BEGIN")
    for client in clients:
        await client.execute("ROLLBACK")
        await client.close()


LIMITS: Final = {
    "statement_timeout": 5,
    "lock_timeout": 1.5,
    "idle_in_transaction_session_timeout": 10,
    "client_connection_check_interval": 1,
}
"""The service's default limits, in seconds."""


async def limit_role(dsn: str) -> None:
    """Set the default limits on the service's role as deploy/roles.sql does, for sessions that can't set them."""
    connection = await asyncpg.connect(dsn)
    try:
        for name, seconds in LIMITS.items():
            await connection.execute(f"ALTER ROLE {SERVICE_ROLE} SET {name} = '{seconds}s'")
    finally:
        await connection.close()
