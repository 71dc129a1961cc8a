"""Everything of asyncpg's insides that this service relies on, in one place.

asyncpg promises none of this: tests/database/test_asyncpg_internals.py lists it, and fails when a new version changes
it, or when another file reaches inside.
"""

import inspect
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import asyncpg
from asyncpg import connect_utils


def end_idle_connections(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """End the idle connections of a pool at once.

    Relies on `Pool._holders`, one for each connection that the pool may have: `is_idle()` is true unless it is checked
    out, and `terminate()` ends it, if there is one.

    Buys that after a failover no connection to the former server stays open: asyncpg has no public way to end idle
    connections, and keeps expired ones until they are next checked out.
    """
    holders: Any = pool._holders  # type: ignore[attr-defined]  # noqa: SLF001 - this file's purpose; not in the stubs
    for holder in holders:
        if holder.is_idle():
            holder.terminate()


def get_socket(connection: "asyncpg.Connection[asyncpg.Record]") -> socket.socket | None:
    """Return the socket of a connection; None if the event loop does not tell it.

    Relies on `Connection._transport`, an asyncio transport.

    Buys the socket's options, by which the kernel notices a peer that acknowledges nothing any more: asyncpg has no
    option for them, and a statement sent into a cut network would fail at its deadline only.
    """
    transport: Any = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    found: socket.socket | None = transport.get_extra_info("socket")
    return found


def get_tls(connection: "asyncpg.Connection[asyncpg.Record]") -> ssl.SSLObject | None:
    """Return the TLS of a connection; None for one without.

    Relies on `Connection._transport`, as get_socket() does.

    Buys that `doctor` tells what this end has agreed upon and verified, which no server can know.
    """
    transport: Any = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    found: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    return found


@dataclass(frozen=True, slots=True)
class Resolved:
    """An address, as asyncpg understands it."""

    hosts: tuple[str, ...]
    """Names, addresses, and the paths of sockets."""
    mode: str
    """The sslmode."""
    context: object
    """An ssl.SSLContext, where there may be TLS."""


def resolve(dsn: str, mode: str | None) -> Resolved:
    """Read an address as asyncpg.connect() would: with the environment, service files, and files of certificates.

    Relies on `connect_utils._parse_connect_dsn_and_args()`, which connect() begins with, and on its parameters `dsn`
    and those that are given here; others are left at None.

    Buys that what is checked of an address is what is connected to: a second reader that differs in one odd form would
    be a way around. And TLS contexts that are made once, not for each connection.

    Args:
        dsn: the address.
        mode: an sslmode in the place of the one that is said there.

    Raises:
        ValueError: it can't be understood.
        OSError: the files of certificates can't be used.
    """
    parse: Any = connect_utils._parse_connect_dsn_and_args  # type: ignore[attr-defined]  # noqa: SLF001 - as above
    # A user, password and database, which do not matter here, keep it from looking for them.
    given: dict[str, Any] = {"dsn": dsn, "ssl": mode, "user": "", "password": "", "database": ""}
    if mode is None or connect_utils.SSLMode.parse(mode) < connect_utils.SSLMode.require:
        given["direct_tls"] = False  # it needs more, and would be refused here
    try:
        addresses, parameters = parse(**dict.fromkeys(inspect.signature(parse).parameters) | given)
    except IndexError as error:  # an empty name in a list of hosts
        raise ValueError("A host is missing in the list of hosts.") from error
    hosts = tuple(each if isinstance(each, str) else each[0] for each in addresses)
    return Resolved(hosts, parameters.sslmode.name.replace("_", "-"), parameters.ssl)
