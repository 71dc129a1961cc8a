"""Updates of jobs that are pre-authorized before the job is read, made in batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final
from uuid import UUID

from service.batching.batcher import Batcher
from service.batching.cache import Entry, RevisionCache
from service.batching.pipeline_lists import PipelineListBatcher
from service.batching.tenants import reusing_batchers
from service.database.fair_queue import FairQueue
from service.database.pool import Database, timed
from service.database.reused_connection import ReusedConnection
from service.identity import Caller, MappedUser, Provided
from service.permissions import Role, executable_pipelines, preauthorize_update
from service.repositories import job_updates
from service.repositories.job_updates import Large, LinkedUpdate, Made, Update
from service.repositories.literals import ArrayLiteral, array_literal, column_literal
from service.repositories.revisions import ReadVersion
from service.telemetry.request_record import current_asking

BYTES_PER_PIPELINE: Final = 400
"""Bytes of a pipeline in the cache of executable pipelines: the id in a set, and in a text."""
MAX_UPDATES_PER_BATCH: Final = 64
"""Updates in one statement."""
MAX_PIPELINES_PER_BATCH: Final = 250
"""Pipelines that the updates of one statement name together, so that strangers wait for 20 ms of each other's work."""
MAX_PIPELINES_IN_BATCH: Final = 50
"""Pipelines that an update names which shares a statement; those with more each have a statement of their own."""
MAX_REVISIONS_IN_BATCH: Final = 50
"""Revisions of the caller of such an update, one for each of their groups: to lock thousands of these takes seconds."""
MAX_BUSY_UPDATES: Final = 4
"""Updates in one statement of tenants with much under way, which takes a processor of the database 1 ms."""
MAX_UPDATES_APART: Final = 64
"""Updates of one caller's in one statement, if no others share it."""
MAX_LARGE_UPDATES: Final = 2
"""Updates with more at once, as each keeps a processor of the database busy for up to 40 ms; of one tenant one, while
others are there."""
MAX_REST: Final = 0.1
"""Seconds for which a place among large updates rests at most after its use, while others are there."""
MAX_CALLS: Final = 8
"""Calls of many updates that are made at once; of one tenant half as many, while others are there."""
MAX_ALLOWED_PIPELINES: Final = 250
"""Pipelines that another user's job may be in: for a caller who may execute more, the job is read first."""


AnyUpdate = Update | LinkedUpdate

Wanted = tuple[str, Sequence[UUID]]
"""A job, and the pipelines that it is to be in, each given once."""


@dataclass(frozen=True, slots=True)
class Executable:
    """The pipelines that a caller sees and may execute, and the version at which that is so."""

    pipelines: frozenset[UUID]
    allowed_pipelines: ArrayLiteral
    """The same for the statement; empty if they are too many to be sent with every update."""
    version: ReadVersion


class JobUpdateBatcher:
    """Pre-authorizes updates by what the caller may execute, cached or else read, and makes them in batches.

    Two updates of one job go one after the other.
    """

    def __init__(
        self,
        database: Database,
        pipeline_lists: PipelineListBatcher,
        cache_bytes: int,
        batcher_type: Callable[..., Batcher[Any, Any]] = Batcher,
    ) -> None:
        self._database = database
        self._pipeline_lists = pipeline_lists
        self.executable: RevisionCache[Executable] = RevisionCache("permission", cache_bytes)
        self.calls: Final = FairQueue(MAX_CALLS, database.presence, 0.5, 0.5)
        """Calls of many updates, which each hold names of thousands of pipelines while they are made."""
        self._large = FairQueue(MAX_LARGE_UPDATES, database.presence, 0.5, 0.5)
        self._batchers, self._linked_batchers = (
            reusing_batchers(
                database,
                batcher_type,
                name,
                self._update,
                MAX_UPDATES_PER_BATCH,
                MAX_BUSY_UPDATES,
                weight=lambda update: len(update.wanted),
                max_weight=MAX_PIPELINES_PER_BATCH,
                conflict_key=lambda update: (update.organization_id, update.job_id),
            )
            for name in ("job_update", "linked_job_update")
        )
        self.batcher: Final = self._batchers.batcher
        self.linked_batcher: Final = self._linked_batchers.batcher
        """Of callers by an identity provider, who are proved by another statement."""

    async def update(
        self, caller: Caller, request_id: str | None, job_id: str, wanted: Sequence[UUID]
    ) -> list[str] | None:
        """Put a job into exactly these pipelines, each given once; returns their names.

        None if nothing was done: the decision takes reading the job, or what it was pre-authorized by has changed, or
        another transaction is changing the job.
        """
        executable = await self._executable_by(caller) if caller.role is Role.MEMBER else _NOTHING
        update = _preauthorized(caller, request_id, executable, job_id, wanted)
        if update is None:
            return None
        if len(wanted) > MAX_PIPELINES_IN_BATCH or len(update.revisions) > MAX_REVISIONS_IN_BATCH:
            return await self._update_alone(update)
        batchers = self._batchers if caller.provided is None else self._linked_batchers
        with timed():
            made = await batchers.submit(caller.organization_id.bytes, update)
        return await self._update_alone(update) if made is Large.LARGE else made

    async def update_many(
        self, caller: Caller, request_id: str | None, wanted: Sequence[Wanted]
    ) -> list[list[str] | None]:
        """Put several jobs, each given once, into exactly these pipelines; returns the names of each job's.

        In statements that no stranger shares: each takes its turn among the large updates, and holds no more than a
        batch. None, for each update that was not made, as in `update`; and for all of them where the caller is in so
        many groups that each would have a statement to itself, which locks all of these.
        """
        revisions = len(caller.revisions)
        if len(wanted) > 1 and revisions > MAX_REVISIONS_IN_BATCH and 2 * revisions > MAX_PIPELINES_PER_BATCH:
            return [None] * len(wanted)
        executable = await self._executable_by(caller) if caller.role is Role.MEMBER else _NOTHING
        results: list[list[str] | None] = [None] * len(wanted)
        chunk: dict[int, AnyUpdate] = {}
        weight = 0
        for number, each in enumerate(wanted):
            update = _preauthorized(caller, request_id, executable, *each)
            if update is None:
                continue
            many = len(update.revisions) > MAX_REVISIONS_IN_BATCH
            weight += (own := len(update.wanted) + (len(update.revisions) if many else 0))
            if chunk and (len(chunk) == MAX_UPDATES_APART or weight > MAX_PIPELINES_PER_BATCH):
                await self._fill(results, chunk)
                chunk, weight = {}, own
            chunk[number] = update
        if chunk:
            await self._fill(results, chunk)
        return results

    async def _fill(self, results: list[list[str] | None], chunk: Mapping[int, AnyUpdate]) -> None:
        """Make updates, and put the results into the places that they are given by."""
        for number, made in zip(chunk, await self._update_apart([*chunk.values()]), strict=True):
            results[number] = await self._update_alone(chunk[number]) if made is Large.LARGE else made

    async def _executable_by(self, caller: Caller) -> Executable:
        cached = self.executable.find(caller)
        if cached is not None:
            return cached

        async def read() -> Entry[Executable]:
            granted = await self._database.run(lambda: self._pipeline_lists.granted_to(caller), only_reads=True)
            found = executable_pipelines(caller, {pipeline.id: pipeline.granted for pipeline in granted.pipelines})
            allowed = array_literal(found if len(found) <= MAX_ALLOWED_PIPELINES else ())
            executable = Executable(found, allowed, granted.version)
            return Entry(executable, granted.version, len(found) * BYTES_PER_PIPELINE)

        return await self.executable.make(caller, read)

    async def _update_alone(self, update: AnyUpdate) -> list[str] | None:
        (made,) = await self._update_apart([update])
        assert made is not Large.LARGE  # noqa: S101 - what is alone is never left out
        return made

    async def _update_apart(self, updates: Sequence[AnyUpdate]) -> list[Made]:
        async def update_them() -> list[Made]:
            async with self._database.connection() as connection:
                return await job_updates.update_each(connection, updates)

        asking = current_asking()
        await self._large.acquire(asking)
        started = perf_counter()
        try:
            return await self._database.run(update_them, only_reads=False)
        finally:
            self._large.release_rested(asking, min(perf_counter() - started, MAX_REST))

    async def _update(self, reused: ReusedConnection, updates: Sequence[AnyUpdate]) -> Sequence[Made]:
        async def update() -> Sequence[Made]:
            async with reused as connection:
                return await job_updates.update_each(connection, updates)

        return await self._database.run(update, only_reads=False)


def _preauthorized(
    caller: Caller, request_id: str | None, executable: Executable, job_id: str, wanted: Sequence[UUID]
) -> AnyUpdate | None:
    """Return an update that is allowed if its statement finds everything as it is here; None if it must be decided."""
    allowed = preauthorize_update(caller, executable.pipelines, wanted)
    if allowed is None:
        return None
    allowed_pipelines = None if allowed.pipelines is None else executable.allowed_pipelines
    if caller.provided is not None:
        return _linked(caller, caller.provided, request_id, executable.version, job_id, wanted, allowed_pipelines)
    return Update(
        organization_id=caller.organization_id,
        job_id=job_id,
        digest=caller.digest,
        scopes=caller.scopes,
        revisions=caller.revisions,
        expires_at=executable.version.expires_at,
        wanted=wanted,
        allowed_pipelines=allowed_pipelines,
        request_id=request_id,
    )


def _linked(
    caller: Caller,
    provided: Provided,
    request_id: str | None,
    version: ReadVersion,
    job_id: str,
    wanted: Sequence[UUID],
    allowed_pipelines: ArrayLiteral | None,
) -> LinkedUpdate:
    return LinkedUpdate(
        organization_id=caller.organization_id,
        job_id=job_id,
        link_id=provided.link_id,
        elevated=isinstance(caller.user_id, MappedUser) and caller.user_id.elevated,
        groups=array_literal(group.id for group in provided.groups),
        group_names=column_literal("text", [group.name for group in provided.groups]),
        revisions=caller.revisions,
        expires_at=min(provided.expires_at, version.expires_at or provided.expires_at),
        wanted=wanted,
        allowed_pipelines=allowed_pipelines,
        request_id=request_id,
    )


_NOTHING: Final = Executable(frozenset(), array_literal(()), ReadVersion((), None))
