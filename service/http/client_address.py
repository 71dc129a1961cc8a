"""The address of a client: the peer's, or behind proxies that are trusted the one that these say they were asked by."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, TypeAlias

from service.settings import Network

Address: TypeAlias = IPv4Address | IPv6Address

MAX_HOPS: Final = 20
"""Entries of X-Forwarded-For that are looked at, from the last on: clients may send as many as they like."""


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str | None:
    """Return the address of the client, as far as those are trusted who tell it; None if there is no peer's.

    Args:
        peer: the address that the connection comes from.
        forwarded_for: the header's values, in the order in which they came; each proxy appends whom it was asked by.
        trusted: the networks of proxies whose word is taken.
    """
    found, _ = follow(peer or "", [hop for value in forwarded_for for hop in value.split(",")], trusted)
    return None if found is None else str(found)


def follow(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> tuple[Address | None, int]:
    """Return the address of the client, and how many trusted proxies its request has passed.

    Args:
        peer: the address that the connection comes from.
        forwarded_for: the addresses that proxies were asked by, the last proxy's at the end.
        trusted: the networks of proxies whose word is taken.
    """
    found, passed = _address(peer), 0
    hops = list(forwarded_for[-MAX_HOPS:])
    while found is not None and any(found in network for network in trusted):
        passed += 1
        told = _address(hops.pop()) if hops else None
        if told is None:
            break
        found = told
    return found, passed


def _address(text: str) -> Address | None:
    """Return the address in a text, which may have a port; None if there is none."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
