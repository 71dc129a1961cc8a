"""The sealing of the audit trail: what is new gets a Merkle root every so often, chained to the one before.

Off the way of changes: these write one row, as without seals. What has happened since the last seal is the unsealed
tail, whose alteration nothing would show.
"""

import asyncio
from collections.abc import Iterator
from typing import Final

import structlog
from prometheus_client.metrics_core import Metric

from service.database.pool import Connection, Database
from service.errors import ServiceError
from service.repositories import audit_feed, audit_seals
from service.repositories.audit_epochs import Epoch
from service.repositories.audit_seals import MAX_ENTRIES, Seal
from service.telemetry.metrics import gauge
from service.values.ids import NO_ID

log = structlog.get_logger()

MAX_SEALS: Final = 20
"""Seals that are made in a row: of an installation that has a trail, when it gets seals."""


def epoch_name(epoch: Epoch) -> str:
    """Return the database that transaction numbers are of, as seals name it."""
    return "/".join(map(str, epoch[:3]))


class Sealer:
    """Seals the trail, if no other process does."""

    def __init__(self, database: Database, interval: float) -> None:
        self._database = database
        self._interval = interval
        self.failures = 0
        """Attempts in a row that have failed by now."""

    async def seal_forever(self) -> None:
        """Seal at every interval until cancelled; a failure is logged, and tried again at the next one."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                for _ in range(MAX_SEALS):
                    made = await self.seal()
                    if made is None or len(made.hashes) < MAX_ENTRIES:
                        break
                self.failures = 0
            except ServiceError as error:
                self.failures += 1
                log.warning("audit_not_sealed", error=error.with_cause)
            except Exception:
                self.failures += 1
                log.exception("audit_not_sealed")

    async def seal(self) -> Seal | None:
        """Seal what is new, as much as one seal has room for; None if nothing is, or another process seals."""
        async with self._database.transaction() as connection:
            made = await seal_new(connection)
        if made is not None:
            entries, root, chain = len(made.hashes), made.root.hex(), made.chain.hex()
            log.info("audit_sealed", seal=made.number, entries=entries, root=root, chain=chain)
        return made

    def collect(self) -> Iterator[Metric]:
        """Yield how often sealing has failed."""
        help_ = "Attempts in a row to seal what is new in the audit trail that have failed; 0: the last one has not."
        yield gauge("flow_pipelines_audit_seal_failures", help_, self.failures)


async def seal_new(connection: Connection) -> Seal | None:
    """Seal what is new, in a transaction; see `Sealer.seal`."""
    if not await audit_seals.try_lock(connection):
        return None
    former = await audit_seals.find_last(connection)
    at = await audit_seals.read_time(connection)
    state = await audit_feed.read_state(connection, NO_ID)
    epoch = epoch_name(state.epoch)
    seen = former.snapshot if former and former.epoch == epoch else None
    fresh = await audit_seals.list_fresh(connection, seen, state)
    if not fresh:
        return None
    snapshot = state.snapshot
    if len(fresh) == MAX_ENTRIES:  # what it has no room for is still new by the former snapshot, or by none
        epoch, snapshot = (epoch, seen) if seen is not None else ("", snapshot)
    made = audit_seals.make_seal(former, at, epoch, snapshot, fresh)
    await audit_seals.insert(connection, made)
    return made
