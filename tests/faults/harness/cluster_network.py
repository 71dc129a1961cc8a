"""A network of hosts that can be partitioned: a network namespace each, all on one bridge with this machine."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.harness.programs import environment, program

BRIDGE: Final = "flow-faults"
PREFIX: Final = "10.213.47"
"""The prefix of all addresses, of which there are 254."""
CLIENT_ADDRESS: Final = f"{PREFIX}.1"
"""This machine's address for clients."""
ETCD_ADDRESS: Final = f"{PREFIX}.2"
"""This machine's address for etcd, which only the hosts use: so they can be cut from etcd and not from clients."""


@dataclass(frozen=True)
class Host:
    """A host: one network namespace."""

    name: str
    address: str

    def command_prefix(self) -> list[str]:
        """Return the command that runs another command on this host."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--"]

    def processes(self) -> list[int]:
        """Return the ids of all processes on this host."""
        namespace = os.stat(f"/run/netns/{self.name}").st_ino  # noqa: PTH116 - Path.stat() follows the same way
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "ns/net").stat().st_ino == namespace:
                    found.append(int(process.name))
            except OSError:  # the process has just ended
                continue
        return found

    def cut_off(self) -> None:
        """Drop every packet to and from this host."""
        _ip("link", "set", self.name, "down")

    def cut_from(self, addresses: Sequence[str]) -> None:
        """Drop this host's packets to some addresses, so that these can agree upon nothing with it."""
        for address in addresses:
            self._ip("route", "replace", "blackhole", f"{address}/32")

    def restore(self) -> None:
        """Undo `cut_off` and `cut_from`."""
        _ip("link", "set", self.name, "up")
        self._ip("route", "flush", "type", "blackhole")

    def _ip(self, *arguments: str) -> None:
        _ip("-n", self.name, *arguments)


@contextmanager
def network(count: int) -> Iterator[list[Host]]:
    """Create a network of so many hosts; there is one at a time on a machine.

    The remains of an earlier one whose process was killed are removed first.
    """
    hosts = [Host(f"{BRIDGE}-{number}", f"{PREFIX}.{10 + number}") for number in range(count)]
    _remove(hosts)
    try:
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("link", "set", BRIDGE, "up")
        for address in (CLIENT_ADDRESS, ETCD_ADDRESS):
            _ip("address", "add", f"{address}/24", "dev", BRIDGE)
        for host in hosts:
            _ip("netns", "add", host.name)
            _ip("link", "add", host.name, "type", "veth", "peer", "name", "eth0", "netns", host.name)
            _ip("link", "set", host.name, "master", BRIDGE, "up")
            for arguments in (
                ("address", "add", f"{host.address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                _ip("-n", host.name, *arguments)
        yield hosts
    finally:
        _remove(hosts)


def _remove(hosts: Sequence[Host]) -> None:
    links = [("link", "delete", name) for name in (*(host.name for host in hosts), BRIDGE)]
    for command in (*links, *(("netns", "delete", host.name) for host in hosts)):
        subprocess.run([program("ip"), *command], env=environment(), capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    done = subprocess.run([program("ip"), *arguments], env=environment(), capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
