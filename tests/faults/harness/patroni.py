"""A PostgreSQL cluster as in production: three nodes under Patroni, each on a host of its own, and etcd."""

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
from tests.faults.harness.cluster_network import ETCD_ADDRESS, PREFIX, Host, network
from tests.faults.harness.programs import PATRONI, POSTGRESQL, environment, program
from tests.process.running import wait_for

NODES: Final = 3
TTL: Final = 20
"""Seconds for which a silent leader keeps its lock: the minimum that Patroni accepts."""
HEALTHY_TIMEOUT: Final = 60.0
"""Seconds."""
_UNPRIVILEGED: Final = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--pid", "--fork", "--mount-proc")
"""A user namespace, as PostgreSQL refuses to run as root, and a process namespace, which ends with Patroni in it."""


@dataclass
class Node:
    """A host with Patroni and PostgreSQL on it."""

    host: Host
    directory: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@{self.host.address}:5432/{DATABASE}"

    def start(self) -> None:
        # No process of an earlier start is left, but its id may belong to another process by now.
        (self.directory / "postmaster.pid").unlink(missing_ok=True)
        command = [
            *self.host.command_prefix(),
            *_UNPRIVILEGED,
            "--kill-child=KILL",
            "--",
            str(PATRONI),
            f"{self.directory}.yaml",
        ]
        with Path(f"{self.directory}.log").open("ab") as log:
            self.process = _start_child(command, log)

    def kill(self) -> None:
        """Kill everything on the node by kill -9."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def kill_postgres(self) -> None:
        """Kill PostgreSQL alone by kill -9."""
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
    """The nodes, and their state as Patroni reports it."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def dsn(self, role: str = SERVICE_ROLE) -> str:
        """Return the address that names every node."""
        return f"postgresql://{role}@{','.join(f'{node.host.address}:5432' for node in self.nodes)}/{DATABASE}"

    def wait_until_healthy(self) -> Node:
        """Wait until all other nodes stream from a leader, one of them synchronously; return the leader."""
        wait_for(self._is_healthy, HEALTHY_TIMEOUT, "a cluster in which every node follows the leader")
        leader = self.leader()
        assert leader
        return leader

    def leader(self) -> Node | None:
        """Return the leader as Patroni reports it; None if there is none."""
        return next((self._node(member) for member in self._members() if member["role"] == "leader"), None)

    def switch_over(self) -> None:
        """Switch over to the synchronous standby, in order."""
        leader = self.leader()
        assert leader
        names = {self._node(member).host.name: member["name"] for member in self._members()}
        response = requests.post(
            f"http://{leader.host.address}:8008/switchover", json={"leader": names[leader.host.name]}, timeout=30
        )
        assert response.status_code == 200, response.text

    def log(self) -> str:
        """Return the end of each node's log."""
        return "\n".join(Path(f"{node.directory}.log").read_text()[-3000:] for node in self.nodes)

    def _is_healthy(self) -> bool:
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
def running_cluster(directory: Path, *, synchronous: bool = True) -> Iterator[Cluster]:
    """Run a cluster with an empty database; synchronous: no write is acknowledged that only one node has."""
    with network(NODES) as hosts, ExitStack() as stack:
        etcd = _start_child(
            [
                program("etcd"),
                f"--data-dir={directory / 'etcd'}",
                f"--listen-client-urls=http://{ETCD_ADDRESS}:2379",
                f"--advertise-client-urls=http://{ETCD_ADDRESS}:2379",
                f"--listen-peer-urls=http://{ETCD_ADDRESS}:2380",
                "--unsafe-no-fsync",
            ],
            stack.enter_context((directory / "etcd.log").open("wb")),
        )
        stack.callback(etcd.wait)
        stack.callback(etcd.kill)
        nodes = [Node(host, directory / host.name) for host in hosts]
        cluster = Cluster(nodes)
        cluster._synchronous = synchronous
        for node in nodes:
            Path(f"{node.directory}.yaml").write_text(json.dumps(_configuration(node, synchronous)))
            stack.callback(node.kill)
            node.start()
        try:
            leader = cluster.wait_until_healthy()
            _run_sql(leader, "postgres", f"CREATE DATABASE {DATABASE}", f"CREATE ROLE {SERVICE_ROLE} LOGIN")
        except AssertionError as error:
            raise AssertionError(cluster.log()) from error
        yield cluster


def _configuration(node: Node, synchronous: bool) -> dict[str, Any]:
    """Return Patroni's configuration, which may be JSON as well as YAML."""
    address = node.host.address
    return {
        "scope": "flow",
        "name": node.host.name,
        "restapi": {"listen": f"{address}:8008", "connect_address": f"{address}:8008"},
        "etcd3": {"host": f"{ETCD_ADDRESS}:2379"},
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
                    # No crash here is the machine's: killed processes lose nothing that they have written.
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


def _run_sql(node: Node, database: str, *statements: str) -> None:
    commands = [argument for statement in statements for argument in ("-c", statement)]
    connect = ("-X", "-h", node.host.address, "-U", "postgres", "-d", database)
    done = subprocess.run(
        [str(POSTGRESQL / "psql"), *connect, *commands], env=environment(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


def _start_child(command: list[str], log: Any) -> "subprocess.Popen[bytes]":
    """Start a process that ends with this one, however this one ends."""

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
