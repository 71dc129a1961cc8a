"""A primary and its standby, which have only sockets: by PostgreSQL's own programs, without a cluster manager."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psutil

from service.embedded import DATABASE, SERVICE_ROLE
from service.postgres_files import make_data_directory, make_socket_directory
from service.postgres_programs import Programs, find_programs
from service.postgres_server import Server

FAST: Final = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "wal_retrieve_retry_interval=50ms")
"""No crash here is the machine's, and processes that are killed lose nothing that they have written."""


@dataclass
class Node:
    """One server, which may be killed."""

    directory: Path
    programs: Programs
    server: Server = field(init=False)
    process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        make_data_directory(self.directory, self.programs.owner)
        self.server = Server(self.programs, self.directory, FAST, DATABASE, SERVICE_ROLE)

    @property
    def host(self) -> str:
        """Where it listens, also while it does not run."""
        return str(make_socket_directory(self.directory, self.programs.owner))

    @property
    def dsn(self) -> str:
        return dsn("postgres", self)

    def start(self) -> None:
        self.process = self.server.start()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self.process
        self.process.wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        """To all of its processes."""
        assert self.process
        postmaster = psutil.Process(self.process.pid)
        for process in (postmaster, *postmaster.children()):
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def copy_to(self, standby: "Node") -> None:
        """Make a standby of this one; it still has to be started."""
        target = str(standby.directory / "postgres")
        source = ("-h", self.host, "-U", "postgres", "--create-slot", "--slot", "standby")
        self._done("pg_basebackup", "-D", target, *source, "--write-recovery-conf", "--checkpoint", "fast")

    def promote(self) -> None:
        """Make it the primary; it takes writes when this returns."""
        self.run("SELECT pg_promote()")

    def run(self, *statements: str) -> None:
        """Run statements as the superuser."""
        commands = [argument for statement in statements for argument in ("-c", statement)]
        self._done("psql", "-X", "-h", self.host, "-U", "postgres", "-d", DATABASE, *commands)

    def end(self) -> None:
        if self.process and self.process.poll() is None:
            self.thaw()
            self.server.end(self.process)

    def _done(self, program: str, *arguments: str) -> None:
        done = self.programs.run(program, *arguments)
        assert done.returncode == 0, done.stderr.decode()


def dsn(role: str, *nodes: Node) -> str:
    """The address of several nodes."""
    return f"postgresql://{role}@/{DATABASE}?host={quote(','.join(node.host for node in nodes), safe=',')}"


@contextmanager
def primary_and_standby(directory: Path, *, synchronous: bool = True) -> Iterator[tuple[Node, Node]]:
    """Two running nodes; synchronous: the primary acknowledges nothing that the standby has not."""
    programs = find_programs()
    primary, standby = Node(directory / "primary", programs), Node(directory / "standby", programs)
    with ExitStack() as stack:
        for node in (primary, standby):
            stack.callback(node.end)
        primary.start()
        primary.copy_to(standby)
        standby.start()
        if synchronous:
            primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        yield primary, standby
