"""When tokens were last used: noted in memory by each request, and written now and then, beside all requests."""

import asyncio
from typing import Final

import structlog

from service.authentication.bearer import Known
from service.database.pool import Database
from service.errors import ServiceError
from service.repositories import tokens

log = structlog.get_logger()

INTERVAL: Final = 10.0
"""Seconds between writes. What a killed process had not written is lost: it is a hint for people, not a record."""


class TokenUse:
    """The tokens used since the last write. The statement leaves alone those noted within the last minute."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._used: dict[bytes, Known] = {}

    def note(self, known: Known) -> None:
        """A caller has used their token, at the time that the database said."""
        self._used[known.digest] = known

    async def write(self) -> None:
        """Write what was noted; if that fails, another time."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._database.connection() as connection:
                await tokens.note_use(
                    connection,
                    [(known.caller.organization_id, known.caller.token_id, known.now) for known in used.values()],
                )
        except ServiceError as error:
            self._used = used | self._used
            log.warning("token_use_not_written", error=error.message)

    async def write_forever(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            await self.write()
