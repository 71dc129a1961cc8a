"""A PostgreSQL cluster as operators have it: three nodes under Patroni, each a host of its own, and etcd."""

import ctypes
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from service.embedded.cluster import DATABASE, SERVICE_ROLE
from tests.faults.harness.cluster_network import PREFIX, THEIRS, Host, network
from tests.faults.harness.programs import PATRONI, POSTGRESQL, environment, program
from tests.process.running import wait_for

NODES: Final = 3
TTL: Final = 20
"""Seconds that a leader who says nothing stays the leader: the least that Patroni takes."""
STARTING: Final = 60.0
_AS_SOMEBODY: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--pid", "--fork", "--mount-proc")
"""PostgreSQL refuses to run as root. And a process namespace: the node ends with its first process, Patroni."""


@dataclass
class Node:
    """One host with Patroni and PostgreSQL on it."""

    host: Host
    directory: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@{self.host.address}:5432/{DATABASE}"

    def start(self) -> None:
        # Nothing of an earlier start is left, but its number may be some other process's by now.
        (self.directory / "postmaster.pid").unlink(missing_ok=True)
        command = [
            *self.host.command(),
            *_AS_SOMEBODY,
            "--kill-child=KILL",
            "--",
            str(PATRONI),
            f"{self.directory}.yaml",
        ]
        with Path(f"{self.directory}.log").open("ab") as log:
            self.process = _child(command, log)

    def kill(self) -> None:
        """kill -9 of everything."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def kill_postgres(self) -> None:
        """kill -9 of PostgreSQL alone."""
        self._signal(signal.SIGKILL, postgres_only=True)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int, *, postgres_only: bool = False) -> None:
        for process in self.host.processes():
            with suppress(OSError):
                if not postgres_only or Path(f"/proc/{process}/comm").read_text() == "postgres\n":
                    os.kill(process, number)


class Cluster:
    """The nodes, and what Patroni says of them."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def dsn(self, role: str = SERVICE_ROLE) -> str:
        """The address with every node in it."""
        return f"postgresql://{role}@{','.join(f'{node.host.address}:5432' for node in self.nodes)}/{DATABASE}"

    def wait_for_all(self) -> Node:
        """Until there is a leader and all others stream from it, one of them synchronously; the leader."""
        wait_for(self._is_whole, STARTING, "a cluster in which every node follows the leader")
        leader = self.leader()
        assert leader
        return leader

    def leader(self) -> Node | None:
        """Who Patroni says it is."""
        return next((self._node(member) for member in self._members() if member["role"] == "leader"), None)

    def switch_over(self) -> None:
        """Let the synchronous standby take over, in order."""
        leader = self.leader()
        assert leader
        names = {self._node(member).host.name: member["name"] for member in self._members()}
        said = requests.post(
            f"http://{leader.host.address}:8008/switchover", json={"leader": names[leader.host.name]}, timeout=30
        )
        assert said.status_code == 200, said.text

    def log(self) -> str:
        """The last words of each node."""
        return "\n".join(Path(f"{node.directory}.log").read_text()[-3000:] for node in self.nodes)

    def _is_whole(self) -> bool:
        members = self._members()
        roles = sorted(member["role"] for member in members)
        following = [member["state"] for member in members if member["role"] != "leader"]
        timelines = {member.get("timeline") for member in members}
        return (
            roles in (["leader", "replica", "sync_standby"], ["leader", "replica", "replica"])
            and set(following) == {"streaming"}
            and len(timelines) == 1
            and (roles[-1] == "sync_standby" or not self._synchronous)
        )

    _synchronous = True

    def _members(self) -> list[dict[str, Any]]:
        for node in self.nodes:
            with suppress(requests.RequestException, KeyError):
                members: list[dict[str, Any]] = requests.get(
                    f"http://{node.host.address}:8008/cluster", timeout=2
                ).json()["members"]
                return members
        return []

    def _node(self, member: dict[str, Any]) -> Node:
        return next(node for node in self.nodes if node.host.address == member["host"])


@contextmanager
def cluster(directory: Path, *, synchronous: bool = True) -> Iterator[Cluster]:
    """A running cluster with an empty database; synchronous: nothing is acknowledged that only one node has."""
    with network(NODES) as hosts, ExitStack() as stack:
        etcd = _child(
            [
                program("etcd"),
                f"--data-dir={directory / 'etcd'}",
                f"--listen-client-urls=http://{THEIRS}:2379",
                f"--advertise-client-urls=http://{THEIRS}:2379",
                f"--listen-peer-urls=http://{THEIRS}:2380",
                "--unsafe-no-fsync",
            ],
            stack.enter_context((directory / "etcd.log").open("wb")),
        )
        stack.callback(etcd.wait)
        stack.callback(etcd.kill)
        nodes = [Node(host, directory / host.name) for host in hosts]
        made = Cluster(nodes)
        made._synchronous = synchronous
        for node in nodes:
            Path(f"{node.directory}.yaml").write_text(json.dumps(_settings(node, synchronous)))
            stack.callback(node.kill)
            node.start()
        try:
            leader = made.wait_for_all()
            _run(leader, "postgres", f"CREATE DATABASE {DATABASE}", f"CREATE ROLE {SERVICE_ROLE} LOGIN")
        except AssertionError as error:
            raise AssertionError(made.log()) from error
        yield made


def _settings(node: Node, synchronous: bool) -> dict[str, Any]:
    """Patroni's, which JSON does as well as YAML."""
    address = node.host.address
    return {
        "scope": "flow",
        "name": node.host.name,
        "restapi": {"listen": f"{address}:8008", "connect_address": f"{address}:8008"},
        "etcd3": {"host": f"{THEIRS}:2379"},
        "bootstrap": {
            "dcs": {
                "ttl": TTL,
                "loop_wait": 1,
                "retry_timeout": 3,
                "primary_start_timeout": 0,
                "synchronous_mode": synchronous,
                "synchronous_mode_strict": synchronous,
                "failsafe_mode": True,
                "postgresql": {
                    "use_pg_rewind": True,
                    "use_slots": True,
                    # No crash here is the machine's: processes that are killed lose nothing that they have written.
                    "parameters": {"fsync": "off", "max_connections": 50},
                },
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}],
        },
        "postgresql": {
            "listen": f"{address}:5432",
            "connect_address": f"{address}:5432",
            "data_dir": str(node.directory),
            "bin_dir": str(POSTGRESQL),
            "pgpass": f"{node.directory}.pgpass",
            "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "postgres"}},
            "parameters": {"unix_socket_directories": ""},
            "pg_hba": [f"host {what} all {PREFIX}.0/24 trust" for what in ("all", "replication")],
        },
    }


def _run(node: Node, database: str, *statements: str) -> None:
    commands = [argument for statement in statements for argument in ("-c", statement)]
    connect = ("-X", "-h", node.host.address, "-U", "postgres", "-d", database)
    done = subprocess.run(
        [str(POSTGRESQL / "psql"), *connect, *commands], env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def _child(command: list[str], log: Any) -> "subprocess.Popen[bytes]":
    """A process that ends with this one, in whatever way this one does."""

    def end_with_parent() -> None:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)

    return subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - makes a system call only
    )
