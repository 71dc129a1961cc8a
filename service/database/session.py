"""The state of each connection to PostgreSQL: what is set at its start, and what is left as it is afterwards."""

import socket
import sys
from typing import Final

from service.database.asyncpg_internals import get_socket
from service.database.connector import Raw
from service.database.session_defaults import APPLICATION_NAME, check_session
from service.settings import Settings

CHECK_INTERVAL: Final = 1.0
"""Seconds between the server's checks, during a statement, that the client is still connected.

Without them the server would go on with the statements of clients that left early, one after the other, on more
connections than there are in the pool."""
LOCK_TIMEOUT: Final = 1.5
"""Seconds that a statement waits for a lock: a caller who holds one for longer must not take the connections of all.

Longer than the server's deadlock_timeout, so that a deadlock is told as one, and the operation run again.
"""
PEER_TIMEOUT: Final = 2.0
"""Seconds for the other end of a connection to acknowledge a packet."""
KEEPALIVE: Final = 5
"""Seconds from the last packet on an idle connection to the first keepalive probe."""


def session_settings(settings: Settings) -> dict[str, str]:
    """Return the parameters that each connection sets at its start, by PostgreSQL's names."""
    return {
        "application_name": APPLICATION_NAME,
        "statement_timeout": f"{settings.statement_timeout * 1000:.0f}",
        "lock_timeout": f"{LOCK_TIMEOUT * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{settings.request_timeout * 1000:.0f}",
        "client_connection_check_interval": f"{CHECK_INTERVAL * 1000:.0f}",
    }


async def prepare(connection: Raw) -> None:
    """Prepare a new connection for its work.

    Raises:
        UnfitDatabase: it leads to a database that can't be used as it is.
    """
    await notice_dead_peer(connection)
    await check_session(connection)


async def notice_dead_peer(connection: Raw) -> None:
    """Have the kernel end a connection whose packets are not acknowledged any more.

    A server that is merely slow acknowledges them. Without this, a statement sent into a cut network fails at its
    deadline only, and after a short cut goes on as late as TCP, which doubles its pauses, sends it again.
    """
    found = get_socket(connection)
    if found is None or found.family not in {socket.AF_INET, socket.AF_INET6} or not sys.platform.startswith("linux"):
        return
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(PEER_TIMEOUT * 1000))
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)


async def reset_nothing(_: Raw) -> None:
    """Leave a released connection as it is, where asyncpg's default is one more round trip for every request.

    No statement of this service changes the session (a test proves it), and asyncpg itself rolls back a transaction
    left open.
    """
