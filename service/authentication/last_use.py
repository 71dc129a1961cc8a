"""The times at which tokens were last used: noted in memory by each request, written every few seconds beside them."""

import asyncio
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog

from service.database.pool import Database
from service.errors import ServiceError
from service.identity import Caller
from service.repositories import identities, tokens

log = structlog.get_logger()

INTERVAL: Final = 10.0
"""Seconds between writes of when tokens were last used.

What a killed process had not written is lost: it is a hint for people, not a record.
"""


class TokenUse:
    """The tokens used since the last write. The statement leaves alone those written within the last minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._used: dict[bytes, Caller] = {}

    def note(self, caller: Caller) -> None:
        """Note that a caller has used their token, at the time of the database."""
        self._used[caller.digest] = caller

    async def write(self) -> None:
        """Write what was noted; keep it for the next time if that fails."""
        used, self._used = self._used, {}
        if not used:
            return
        own: list[tuple[UUID, UUID, datetime]] = []
        linked: list[tuple[UUID, UUID, datetime]] = []
        for caller in used.values():
            into = own if caller.provided is None else linked
            into.append((caller.organization_id, caller.token_id, caller.database_time))
        try:
            async with self._database.connection() as connection:
                if own:
                    await tokens.note_use(connection, own)
                if linked:
                    await identities.note_use(connection, linked)
        except ServiceError as error:
            self._used = used | self._used
            log.warning("token_use_not_written", error=error.message)

    async def write_forever(self) -> None:
        """Write every `INTERVAL` until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.write()
