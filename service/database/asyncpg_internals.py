"""Everything of asyncpg's insides that this service relies on, in one place.

asyncpg promises none of this: tests/database/test_asyncpg_internals.py lists it, and fails when a new version changes
it, or when another file reaches inside.
"""

import socket
from typing import Any

import asyncpg


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
