"""The timelines of the database, by which places in the feed survive a failover, or end by it.

A promotion, and a recovery to a point in time, begin a timeline: what was written behind its begin is lost. Where that
was is told by the server that was promoted alone, and only until it starts anew, so that it is noted at once.
"""

import asyncio
from typing import Final

import structlog

from service.database.errors import NotReady
from service.database.pool import Connection, Database
from service.errors import ServiceError
from service.repositories import audit_timelines
from service.repositories.audit_epochs import Epoch
from service.repositories.audit_feed import FeedState

log = structlog.get_logger()

RETRY: Final = 5.0
"""Seconds until the next attempt where the database could not be had."""


class Timelines:
    """Notes the timeline of the database, whenever that may be another one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changed = asyncio.Event()
        self._changed.set()
        database.on_forget.append(self._changed.set)

    async def note_forever(self) -> None:
        """Note the timeline at once, and after each change of the database's history, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                async with self._database.connection() as connection:
                    await audit_timelines.note(connection)
            except NotReady:
                pass  # which readiness tells
            except ServiceError as error:
                log.warning("timeline_not_noted", error=error.with_cause)
            except Exception:
                log.exception("timeline_not_noted")
            else:
                continue
            self._changed.set()
            await asyncio.sleep(RETRY)


async def carry_over(connection: Connection, then: Epoch, state: FeedState) -> Epoch | None:
    """Return the epoch of a place in the present history of its database; None: the place does not lie in it.

    A place of an earlier timeline lies in the present one if all was replayed that it has seen. Then the transactions
    that its snapshot sees have ended there as they had. It ends behind the last of them, so that no number before its
    end is given out again; what was under way then has ended by what was replayed behind it, or was rolled back by the
    promotion; and all later transactions have numbers that it does not see.

    Each timeline in between has to be noted, the first one, too. What is noted was replicated, so that these are the
    ancestors of the present one, each of the next, and not others with such numbers that were abandoned.

    Args:
        connection: of the database.
        then: the epoch of the place.
        state: the present state of the feed, read with that epoch.
    """
    now = state.epoch
    if not state.holds:
        return None
    if then[:4] == now[:4]:
        return then if then.position <= now.position else None
    if then[:3] != now[:3] or not now.system or then.timeline > now.timeline:
        return None
    await audit_timelines.note(connection)
    passed = await audit_timelines.find_passed(connection, now.system, then.timeline, now.timeline)
    steps = now.timeline - then.timeline
    if passed.noted <= steps or passed.begun < steps or passed.begins is None or then.reach > passed.begins:
        return None
    return then._replace(timeline=now.timeline, position=passed.begins, reach=passed.begins)
