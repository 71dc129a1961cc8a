"""A primary and its standby on Unix sockets, by PostgreSQL's own programs, without a cluster manager."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from service.embedded.cluster import DATABASE
from service.embedded.files import make_socket_directory
from tests.faults.harness.processes import Postgres

FAST: Final = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "wal_retrieve_retry_interval=50ms")
"""Options for speed: no crash here is the machine's, and killed processes lose nothing that they have written."""


class Node(Postgres):
    """The primary or the standby."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, *FAST)
        self.host = str(make_socket_directory(self.directory, self.programs.owner))
        """The directory of its socket, also while it does not run."""

    def copy_to(self, standby: "Node") -> None:
        """Make another node a standby of this one; it still has to be started."""
        target = str(standby.directory / "postgres")
        source = ("-h", self.host, "-U", "postgres", "--create-slot", "--slot", "standby")
        self._done("pg_basebackup", "-D", target, *source, "--write-recovery-conf", "--checkpoint", "fast")

    def promote(self) -> None:
        """Promote this node to the primary; it takes writes when this returns."""
        self.run("SELECT pg_promote()")

    def run(self, *statements: str) -> None:
        """Execute statements as the superuser."""
        commands = [argument for statement in statements for argument in ("-c", statement)]
        self._done("psql", "-X", "-h", self.host, "-U", "postgres", "-d", DATABASE, *commands)

    def _done(self, program: str, *arguments: str) -> None:
        done = self.programs.run(program, *arguments)
        assert done.returncode == 0, done.stderr.decode()


def dsn(role: str, *nodes: Node) -> str:
    """Return the address that names several nodes."""
    return f"postgresql://{role}@/{DATABASE}?host={quote(','.join(node.host for node in nodes), safe=',')}"


@contextmanager
def primary_and_standby(directory: Path, *, synchronous: bool = True) -> Iterator[tuple[Node, Node]]:
    """Run two nodes; synchronous: the primary acknowledges no write that the standby lacks."""
    primary, standby = Node(directory / "primary"), Node(directory / "standby")
    with ExitStack() as stack:
        for node in (primary, standby):
            stack.callback(node.stop)
        primary.start()
        primary.copy_to(standby)
        standby.start()
        if synchronous:
            primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        yield primary, standby
