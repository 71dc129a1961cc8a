"""The operation that updates the pipelines of many jobs at once, with a verdict for each, or all or nothing.

Most updates are made as lone ones are: pre-authorized, in statements that hold many of them. What these leave is
decided with the jobs read, and where it is allowed locked, in transactions that hold many, too. An update that is
refused is seen to be so before anything is locked.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID

from service.database.pool import Connection
from service.errors import Aborted, NotFound, PermissionDenied, ServiceError
from service.operations.call import Call, Proof
from service.permissions import check_update, may_see_job
from service.repositories import job_batches, jobs, pipelines
from service.repositories.pipelines import GrantedPipeline
from service.schemas.jobs import (
    BatchUpdateJobPipelines,
    NamedPipeline,
    Verdict,
    Verdicts,
    WrongUpdate,
)
from service.slices import SLICE
from service.telemetry.request_record import current_asking, current_record

MAX_DECIDED: Final = 64
"""Updates of a batch that are decided in one transaction: for as long as that takes, others wait for their jobs."""


class _Numbered(NamedTuple):
    """A well-formed update of a batch."""

    number: int
    """Its place in the batch, from 0."""
    job_id: str
    wanted: list[UUID]
    """Each pipeline once."""


class _Decided(NamedTuple):
    """An update, with the pipelines that its job is in, and the reason for which it is refused, if it is."""

    update: _Numbered
    current: list[UUID]
    wanted: list[GrantedPipeline]
    """The wanted pipelines, without those that do not exist."""
    refusal: ServiceError | None


Outcomes = dict[int, list[NamedPipeline] | ServiceError]
"""The outcomes of updates, by their places in the batch."""


async def batch_update_job_pipelines(call: Call, request: BatchUpdateJobPipelines) -> Verdicts:
    """Replace the whole sets of pipelines that some jobs are in, each with a verdict of its own, or all or nothing.

    Raises:
        InvalidArgument: it is to be all or nothing, and an update is malformed.
        PermissionDenied: it is to be all or nothing, and the caller may not put a job into a pipeline, or take it out.
        NotFound: it is to be all or nothing, and there is no such job or pipeline, or the caller may not see it.
    """
    outcomes: Outcomes = {}
    updates: list[_Numbered] = []
    for number, update in enumerate(request.updates):
        if not isinstance(update, WrongUpdate):
            updates.append(_Numbered(number, update.job_id, [*dict.fromkeys(update.pipeline_ids)]))
        elif request.atomic:
            raise _placed(number, update.error)
        else:
            outcomes[number] = update.error
    if not request.atomic:
        call.precondition(None)  # of which a verdict can't tell
    async with nullcontext() if call.batches is None else call.batches.job_updates.calls.place(current_asking()):
        if request.atomic:
            outcomes = await _make_all(call, updates)
        else:
            for run in _without_repeats(updates):
                outcomes |= await _make_each(call, run)
    _note_refusals(outcomes)
    return Verdicts([Verdict(each.job_id, outcomes[number]) for number, each in enumerate(request.updates)])


def _note_refusals(outcomes: Outcomes) -> None:
    """Have refusals that are verdicts counted as those of calls: many attempts in one batch are no fewer attempts."""
    record = current_record.get()
    if record is not None:
        record.refused = Counter(each.label for each in outcomes.values() if isinstance(each, ServiceError))


def _placed(number: int, refusal: ServiceError) -> ServiceError:
    """Return the refusal of a whole batch, which says by which of its updates."""
    refusal.message = f"Update {number} of the batch, counted from 0: {refusal.message}"
    refusal.details = {**(refusal.details or {}), "index": [str(number)]}
    return refusal


def _without_repeats(updates: Sequence[_Numbered]) -> Iterator[list[_Numbered]]:
    """Yield updates in runs in which no job comes twice, so that those of one run may be made in any order."""
    run: dict[str, _Numbered] = {}
    for update in updates:
        if update.job_id in run:
            yield [*run.values()]
            run = {}
        run[update.job_id] = update
    if run:
        yield [*run.values()]


async def _make_each(call: Call, updates: Sequence[_Numbered]) -> Outcomes:
    """Make those of some updates, each of another job, that the caller may make."""
    outcomes: Outcomes = {}
    if call.batches is not None:
        wanted = [(update.job_id, update.wanted) for update in updates]
        made = await call.batches.job_updates.update_many(call.caller, call.request_id, wanted)
        for update, names in zip(updates, made, strict=True):
            if names is not None:
                outcomes[update.number] = [NamedPipeline(*each) for each in zip(update.wanted, names, strict=True)]
    left = [update for update in updates if update.number not in outcomes]
    for start in range(0, len(left), MAX_DECIDED):
        outcomes |= await _decide_each(call, left[start : start + MAX_DECIDED])
    return outcomes


async def _decide_each(call: Call, updates: Sequence[_Numbered]) -> Outcomes:
    """Decide updates with their jobs read, and then make those that are allowed with their jobs locked."""
    outcomes: Outcomes = {}
    async with call.database.connection() as connection:
        async for decided in _in_parts(connection, call, updates):
            outcomes |= {each.update.number: each.refusal for each in decided if each.refusal is not None}
    allowed = [update for update in updates if update.number not in outcomes]
    return outcomes | await _make_allowed(call, allowed) if allowed else outcomes


async def _make_allowed(call: Call, updates: Sequence[_Numbered]) -> Outcomes:
    """Make updates in one transaction; one by one if another change of one of them outlasts the wait for it."""

    async def make() -> Outcomes:
        async with call.transaction() as connection:
            proof = await _lock(connection, call, updates)
            return await _make(proof, updates)

    try:
        return await call.database.run(make, only_reads=False)
    except Aborted as error:
        if len(updates) == 1:
            return {updates[0].number: error}
    outcomes: Outcomes = {}
    for update in updates:
        outcomes |= await _make_allowed(call, [update])
    return outcomes


async def _make_all(call: Call, updates: Sequence[_Numbered]) -> Outcomes:
    """Make all updates, in one transaction.

    Raises:
        NotFound: there is no such job or pipeline, or the caller may not see it.
        PermissionDenied: the caller may not put jobs into, or take them out of, one of the pipelines.
    """
    runs = [*_without_repeats(updates)]
    async with call.transaction() as connection:
        placed: dict[str, list[GrantedPipeline]] = {}
        for run in runs:
            async for decided in _in_parts(connection, call, run, placed):
                _require_all(decided)
                placed |= {each.update.job_id: each.wanted for each in decided}
        proof = await _lock(connection, call, updates)
        outcomes: Outcomes = {}
        for run in runs:
            outcomes |= await _make(proof, run, whole=True)
    return outcomes


def _require_all(decided: Sequence[_Decided]) -> None:
    """Require that none of some updates is refused.

    Raises:
        ServiceError: the first refusal.
    """
    for each in decided:
        if each.refusal is not None:
            raise _placed(each.update.number, each.refusal)


async def _lock(connection: Connection, call: Call, updates: Sequence[_Numbered]) -> Proof:
    """Lock what updates are about, and prove the caller's authority."""
    organization_id = call.caller.organization_id
    await pipelines.hold(connection, organization_id, [*{key for update in updates for key in update.wanted}])
    proof = await call.prove(connection)
    await job_batches.lock(connection, organization_id, [*{update.job_id for update in updates}])
    return proof


async def _make(proof: Proof, updates: Sequence[_Numbered], *, whole: bool = False) -> Outcomes:
    """Make those of some updates, each of another locked job, that the caller may make.

    Args:
        whole: whether none is made if one is refused.
    """
    outcomes: Outcomes = {}
    async for decided in _in_parts(proof.connection, proof.call, updates):
        if whole:
            _require_all(decided)
        allowed = [each for each in decided if each.refusal is None]
        changed = [each for each in allowed if each.current != each.update.wanted]
        if changed:
            organization_id = proof.call.caller.organization_id
            wanted = {each.update.job_id: each.update.wanted for each in changed}
            await job_batches.replace_each(proof.connection, organization_id, wanted)
            await proof.audit_each("job.update_pipelines", [_change(each) for each in changed])
        for each in decided:
            names = [NamedPipeline(pipeline.id, pipeline.name) for pipeline in each.wanted]
            outcomes[each.update.number] = each.refusal or names
    return outcomes


def _change(decided: _Decided) -> tuple[str, Mapping[str, list[UUID]], Mapping[str, list[UUID]]]:
    """Return an update as the audit trail has it."""
    update = decided.update
    return f"job:{update.job_id}", {"pipeline_ids": decided.current}, {"pipeline_ids": update.wanted}


async def _in_parts(
    connection: Connection,
    call: Call,
    updates: Sequence[_Numbered],
    placed: Mapping[str, list[GrantedPipeline]] = MappingProxyType({}),
) -> AsyncIterator[list[_Decided]]:
    """Decide updates, each of another job, as many at a time as have jobs in MAX_PIPELINES_OF_JOBS pipelines together.

    Args:
        placed: the pipelines that jobs will be in, where these are not those that they are in.
    """
    caller, left = call.caller, updates
    while left:
        job_ids = [update.job_id for update in left]
        of_each = await jobs.pipelines_of_each(connection, caller.organization_id, caller.user_id, job_ids)
        some, left = left[: len(of_each)], left[len(of_each) :]
        owners = await job_batches.find_owners(connection, caller.organization_id, [*of_each])
        wanted = [*{key for update in some for key in update.wanted}]
        found = await job_batches.find_granted(connection, caller.organization_id, caller.user_id, wanted)
        known = {pipeline.id: pipeline for pipeline in found}
        decided, looked_at = [], 0
        for update in some:
            current = placed.get(update.job_id, of_each[update.job_id])
            decided.append(_decide(call, update, owners.get(update.job_id), current, known))
            looked_at += len(current) + len(update.wanted)
            if looked_at > SLICE:
                looked_at = 0
                await asyncio.sleep(0)
        yield decided


def _decide(
    call: Call,
    update: _Numbered,
    owner_id: UUID | None,
    current: Sequence[GrantedPipeline],
    known: Mapping[UUID, GrantedPipeline],
) -> _Decided:
    """Decide an update, given its job's owner (None: there is no such job) and pipelines, and the wanted ones."""
    caller, owns = call.caller, owner_id == call.caller.user_id
    wanted = {key: known.get(key) for key in update.wanted}
    refusal: ServiceError | None = None
    try:
        accesses = (caller.access(pipeline.granted) for pipeline in current)
        if owner_id is None or not may_see_job(caller, owns=owns, accesses=accesses):
            raise NotFound(f"Job {update.job_id} does not exist, or you may not see it.")
        check_update(
            caller,
            owns=owns,
            current={pipeline.id: pipeline.granted for pipeline in current},
            wanted={key: pipeline.granted if pipeline else None for key, pipeline in wanted.items()},
        )
    except (NotFound, PermissionDenied) as error:
        refusal = error.with_traceback(None)
    found = [pipeline for pipeline in wanted.values() if pipeline]
    return _Decided(update, [pipeline.id for pipeline in current], found, refusal)
