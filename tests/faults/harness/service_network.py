"""A network namespace for a service, with one link to its clients and one to its database, which can be cut.

A cut link loses every packet without an error on either side, as when a switch fails.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CLIENTS: Final = ("10.231.7.1", "10.231.7.2")
DATABASE: Final = ("10.231.7.5", "10.231.7.6")
"""The addresses of each link: outside of the namespace, and in it."""
MAC_ADDRESS: Final = "02:00:00:0a:e7:07"
"""The hardware address of each link's outer end: one is enough, as each link is a network of its own."""


def why_unavailable() -> str:
    """Return why no namespace can be created here; "" if one can."""
    if os.geteuid() != 0:
        return "cutting a network takes root, for a network namespace of its own"
    if shutil.which("ip") is None:
        return "cutting a network takes the program ip (Debian's package iproute2)"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False, text=True)
    return "" if tried.returncode == 0 else f"network namespaces are refused here: {tried.stderr.strip()}"


@contextmanager
def namespace() -> Iterator["Namespace"]:
    """Create the namespace and its links; delete them in the end."""
    name = f"faults{os.getpid()}"
    _ip("netns", "add", name)
    try:
        for end, (outside, inside) in (("c", CLIENTS), ("d", DATABASE)):
            link, peer = f"{name}{end}0", f"{name}{end}1"
            _ip("link", "add", link, "address", MAC_ADDRESS, "type", "veth", "peer", "name", peer, "netns", name)
            _ip("addr", "add", f"{outside}/30", "dev", link)
            _ip("link", "set", link, "up")
            _ip("-n", name, "addr", "add", f"{inside}/30", "dev", peer)
            _ip("-n", name, "link", "set", peer, "up")
            # As behind a router, there is no error either for a peer that can't be found.
            _ip("-n", name, "neigh", "add", outside, "lladdr", MAC_ADDRESS, "dev", peer, "nud", "permanent")
        _ip("-n", name, "link", "set", "lo", "up")
        yield Namespace(name)
    finally:
        _ip("netns", "del", name)  # and the links with it


class Namespace:
    """A namespace whose link to the database can be cut."""

    def __init__(self, name: str) -> None:
        self.command_prefix = ("ip", "netns", "exec", name)
        """The command that runs another command in the namespace."""
        self._link = f"{name}d0"

    def cut(self) -> None:
        _ip("link", "set", self._link, "down")

    def restore(self) -> None:
        _ip("link", "set", self._link, "up")


def connection_attempts(process: int) -> int:
    """Return how many connections were ever begun in a process's namespace: here, all of them lead to the database."""
    names, values = (
        line.split() for line in Path(f"/proc/{process}/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    )
    return int(dict(zip(names, values, strict=True))["ActiveOpens"])


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
