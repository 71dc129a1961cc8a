"""Updates of jobs that are decided before the job is seen: those that wait at the same moment share one statement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from service.authentication.bearer import Known
from service.batching.batcher import Batcher
from service.batching.cache import RevisionCache
from service.batching.pipeline_lists import PipelineListBatcher
from service.database.pool import Database, ReusedConnection, timed
from service.permissions import Role, executable_pipelines, preauthorize_update
from service.repositories import jobs
from service.repositories.audit import Actor
from service.repositories.jobs import Update
from service.repositories.revisions import ReadVersion

MOST_KEPT: Final = 8 * 2**20
"""Bytes of what callers may execute."""
BYTES_OF_ONE: Final = 400
"""Of a pipeline in that: its id in a set, and in a text."""
MAX_BATCH_SIZE: Final = 64
"""Updates in one statement."""
MAX_ALLOWED_PIPELINES: Final = 250
"""Pipelines that a job of somebody else may be in: whoever may execute more has it seen first."""


@dataclass(frozen=True, slots=True)
class Executable:
    """The pipelines that a caller sees and may execute, and the state at which that is so."""

    pipelines: frozenset[UUID]
    within: str
    """The same as an array of PostgreSQL; none if they are too many to be sent with every update."""
    version: ReadVersion


class JobUpdates:
    """Decides updates by what the caller may execute, as it is kept in memory or else read, and makes them together.

    Two updates of one job go in turn.
    """

    def __init__(self, database: Database, pipeline_lists: PipelineListBatcher) -> None:
        self._database = database
        self._listings = pipeline_lists
        self._executable: RevisionCache[Executable] = RevisionCache(MOST_KEPT)
        self._held = ReusedConnection(database)
        self.batcher: Batcher[Update, list[str] | None] = Batcher(
            self._update,
            most=MAX_BATCH_SIZE,
            conflict_key=lambda update: (update.organization_id, update.job_id),
            on_idle=self._held.release,
        )

    async def update(self, known: Known, actor: Actor, job_id: str, wanted: Sequence[UUID]) -> list[str] | None:
        """Put a job into exactly these pipelines, each of them once; returns their names.

        None if nothing was done: it takes a look at the job to decide, or what was decided by has changed, or somebody
        else is changing the job.
        """
        caller = known.caller
        executable = await self._executable_by(known) if caller.role is Role.MEMBER else _NOTHING
        preauthorization = preauthorize_update(caller, executable.pipelines, wanted)
        if preauthorization is None:
            return None
        update = Update(
            caller.organization_id,
            job_id,
            caller.user_id,
            known.digest,
            caller.scopes,
            _array(known.revisions),
            executable.version.until,
            _array(wanted),
            None if preauthorization.pipelines is None else executable.within,
            actor.name,
            actor.token_id,
            actor.request_id,
        )
        with timed():
            return await self.batcher.submit(update)

    async def _executable_by(self, known: Known) -> Executable:
        caller, kept = known.caller, self._executable.find(known)
        if kept is not None:
            return kept

        listing = await self._database.run(lambda: self._listings.granted_to(caller), only_reads=True)
        found = executable_pipelines(caller, {pipeline.id: pipeline.granted for pipeline in listing.pipelines})
        within = _array(found if len(found) <= MAX_ALLOWED_PIPELINES else ())
        executable = Executable(found, within, listing.version)
        self._executable.put(known, executable, listing.version, len(found) * BYTES_OF_ONE)
        return executable

    async def _update(self, updates: Sequence[Update]) -> Sequence[list[str] | None]:
        async def update() -> Sequence[list[str] | None]:
            async with self._held as connection:
                return await jobs.update_each(connection, updates)

        return await self._database.run(update, only_reads=False)


_NOTHING: Final = Executable(frozenset(), "{}", ReadVersion((), None))


def _array(values: Iterable[object]) -> str:
    """An array of PostgreSQL of what needs no quotes."""
    return f"{{{','.join(map(str, values))}}}"
