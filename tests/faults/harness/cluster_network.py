"""Hosts of a network that can be cut: a network namespace each, all on one bridge with this machine."""

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
"""Of all addresses; there are 254."""
OURS: Final = f"{PREFIX}.1"
"""This machine's, from which clients come."""
THEIRS: Final = f"{PREFIX}.2"
"""This machine's too, for what only the hosts ask: so that they can be cut from that and not from clients."""


@dataclass(frozen=True)
class Host:
    """One namespace."""

    name: str
    address: str

    def command(self) -> list[str]:
        """What to run a program by, so that it runs there."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--"]

    def processes(self) -> list[int]:
        """All that run there."""
        there = os.stat(f"/run/netns/{self.name}").st_ino  # noqa: PTH116 - Path.stat() follows the same way
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "ns/net").stat().st_ino == there:
                    found.append(int(process.name))
            except OSError:  # it has just ended
                continue
        return found

    def cut_off(self) -> None:
        """No packet comes to it or from it any more."""
        _ip("link", "set", self.name, "down")

    def cut_from(self, addresses: Sequence[str]) -> None:
        """No packet of its goes there any more, so that nothing can be agreed upon with it."""
        for address in addresses:
            self._ip("route", "replace", "blackhole", f"{address}/32")

    def heal(self) -> None:
        """Undo either."""
        _ip("link", "set", self.name, "up")
        self._ip("route", "flush", "type", "blackhole")

    def _ip(self, *arguments: str) -> None:
        _ip("-n", self.name, *arguments)


@contextmanager
def network(hosts: int) -> Iterator[list[Host]]:
    """So many hosts; one network at a time on a machine.

    What an earlier one left behind, because its process was killed, is removed first.
    """
    made = [Host(f"{BRIDGE}-{number}", f"{PREFIX}.{10 + number}") for number in range(hosts)]
    _remove(made)
    try:
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("link", "set", BRIDGE, "up")
        for address in (OURS, THEIRS):
            _ip("address", "add", f"{address}/24", "dev", BRIDGE)
        for host in made:
            _ip("netns", "add", host.name)
            _ip("link", "add", host.name, "type", "veth", "peer", "name", "eth0", "netns", host.name)
            _ip("link", "set", host.name, "master", BRIDGE, "up")
            for arguments in (
                ("address", "add", f"{host.address}/24", "dev", "eth0"),
                ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):
                _ip("-n", host.name, *arguments)
        yield made
    finally:
        _remove(made)


def _remove(hosts: Sequence[Host]) -> None:
    links = [("link", "delete", name) for name in (*(host.name for host in hosts), BRIDGE)]
    for command in (*links, *(("netns", "delete", host.name) for host in hosts)):
        subprocess.run([program("ip"), *command], env=environment(), capture_output=True, check=False)


def _ip(*arguments: str) -> None:
    done = subprocess.run([program("ip"), *arguments], env=environment(), capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
