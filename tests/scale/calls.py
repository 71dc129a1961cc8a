"""The hot statements as calls send them, and what each costs in a generic plan: blocks by relation, and time."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final
from uuid import UUID

from service.database.pool import Connection
from service.identity import Caller
from service.repositories import audit, audit_feed, authority, job_updates, jobs, pipelines, queues, tokens
from service.repositories.ordering import Span
from tests.plans.database import Target
from tests.plans.planning import nodes_of, plan_for_any, plan_for_arguments
from tests.plans.recording import Recorder, Statement
from tests.scale.filling import Raw

PAGE: Final = 50


@dataclass(frozen=True)
class Place:
    """A target, with its caller and what the statements are asked about."""

    target: Target
    caller: Caller
    current: list[UUID]
    """The pipelines that the job is in."""
    wanted: list[UUID]
    """The same with another one for the last: what an update changes."""
    transaction: int
    """Of the tenth entry of the trail, from the newest."""


async def places_of(raw: Raw, targets: Sequence[Target]) -> list[Place]:
    transaction = await raw.fetchval(
        "SELECT transaction_id::text::bigint FROM audit WHERE transaction_id IS NOT NULL"
        " ORDER BY transaction_id DESC OFFSET 9 LIMIT 1"
    )
    return [await _place_of(raw, target, transaction) for target in targets]


async def _place_of(raw: Raw, target: Target, transaction: int) -> Place:
    (caller,) = await tokens.find_active(Connection(raw), [hashlib.sha256(target.token.encode()).digest()])
    current = await raw.fetchval(
        "SELECT array_agg(pipeline_id ORDER BY position) FROM assignments WHERE organization_id = $1 AND job_id = $2",
        caller.organization_id,
        target.job_id,
    )
    another = next(key for key in target.pipeline_ids if key not in current)
    return Place(target, caller, current, [*current[:-1], another], transaction)


def update_of(place: Place, *, back: bool = False) -> job_updates.Update:
    """Return the update of the target, or its way back, as the batches have it."""
    caller, target = place.caller, place.target
    return job_updates.Update(
        caller.organization_id,
        target.job_id,
        caller.digest,
        caller.scopes,
        caller.revisions,
        None,
        place.current if back else place.wanted,
        None,
        "5f1d7a1e-0000-4000-8000-000000000000",
    )


def authenticate(connection: Recorder, place: Place) -> Awaitable[object]:
    return tokens.find_active(connection, [place.caller.digest])


def list_pipelines(connection: Recorder, place: Place) -> Awaitable[object]:
    return pipelines.list_granted(connection, place.caller.organization_id, place.caller.user_id)


def read_job(connection: Recorder, place: Place) -> Awaitable[object]:
    return jobs.find(connection, place.caller.organization_id, place.target.job_id)


def list_pipelines_of_job(connection: Recorder, place: Place) -> Awaitable[object]:
    return pipelines.list_of_job(connection, place.caller.organization_id, place.caller.user_id, place.target.job_id)


async def update_job(connection: Recorder, place: Place) -> None:
    (made,) = await job_updates.update_each(connection, [update_of(place)])
    assert made is not None


def page_of_queue(connection: Recorder, place: Place) -> Awaitable[object]:
    span = Span(queues.ORDERS.find(None), None, PAGE)
    return queues.page(connection, place.caller.organization_id, place.current[0], span)


def page_of_jobs(connection: Recorder, place: Place) -> Awaitable[object]:
    span, none = Span(jobs.ORDERS.find(None), None, PAGE), {"pipeline_id": None, "owner_id": None}
    caller = place.caller
    return jobs.page(
        connection, caller.organization_id, caller.user_id, everything=True, readable=[], span=span, **none
    )


def page_of_trail(connection: Recorder, place: Place, **filters: Any) -> Awaitable[object]:
    span = Span(audit.ORDERS.find(None), None, PAGE)
    given = dict.fromkeys(("actor", "action", "target", "since", "until")) | filters
    return audit.page(connection, place.caller.organization_id, **given, span=span)


def trail_of_job(connection: Recorder, place: Place) -> Awaitable[object]:
    return page_of_trail(connection, place, target=f"job:{place.target.job_id}")


def follow_changes(connection: Recorder, place: Place) -> Awaitable[object]:
    seen = f"{place.transaction}:{place.transaction}:"
    return audit_feed.read_between(connection, [place.caller.organization_id], seen=seen, target=None, after=0)


def prove_authority(connection: Recorder, place: Place) -> Awaitable[object]:
    return authority.prove(connection, place.caller, authority.PROVE)


CALLS: Final[dict[str, Callable[[Recorder, Place], Awaitable[object]]]] = {
    "authentication": authenticate,
    "list": list_pipelines,
    "update": update_job,
    "read a job": read_job,
    "pipelines of a job": list_pipelines_of_job,
    "proof of authority": prove_authority,
    f"page of a queue, {PAGE}": page_of_queue,
    f"page of all jobs, {PAGE}": page_of_jobs,
    f"page of the trail, {PAGE}": page_of_trail,
    "trail of one job": trail_of_job,
    "feed, ten entries behind": follow_changes,
}


@dataclass(frozen=True)
class Cost:
    """The cost of a statement: medians over its targets."""

    blocks: float
    """Fetched from shared buffers, or read into them, tables and indexes alike."""
    milliseconds: float
    by_relation: dict[str, float]


async def cost_of(raw: Raw, name: str, places: list[Place], *, generic: bool) -> Cost:
    """Run a statement for each place, and return what it takes once it was run before.

    Args:
        raw: a superuser's connection.
        name: of the call.
        places: what it is asked about.
        generic: True for the generic plan, False for the one that PostgreSQL has chosen after some runs.
    """
    seen = [await _run(raw, await statement_of(raw, name, place), generic=generic) for place in places]
    relations = {relation for blocks, _ in seen for relation in blocks}
    return Cost(
        median(blocks.total() for blocks, _ in seen),
        median(milliseconds for _, milliseconds in seen),
        {relation: median(blocks[relation] for blocks, _ in seen) for relation in relations},
    )


async def statement_of(raw: Raw, name: str, place: Place) -> Statement:
    """Return the first statement that a call sends; what it does is rolled back."""
    recorder = Recorder(raw)
    transaction = raw.transaction()
    await transaction.start()
    try:
        await CALLS[name](recorder, place)
    finally:
        await transaction.rollback()
    return recorder.sent[0]


RUNS: Final = 6
"""Runs after which PostgreSQL has chosen: the first five are planned for their arguments."""


async def _run(raw: Raw, statement: Statement, *, generic: bool) -> tuple[Counter[str], float]:
    arguments = await _literals(raw, statement)
    explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE planned{arguments}"
    await raw.execute(f"PREPARE planned AS {statement.text}")
    transaction = raw.transaction()
    await transaction.start()
    try:
        if generic:
            await raw.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        for _ in range(1 if generic else RUNS):
            await raw.execute("SAVEPOINT warm")
            await raw.fetchval(explain)
            await raw.execute("ROLLBACK TO SAVEPOINT warm")
        before = await _fetched(raw)
        explained = json.loads(await raw.fetchval(explain))[0]
        blocks = await _fetched(raw) - before
    finally:
        await transaction.rollback()
        await raw.execute("DEALLOCATE planned")
    return blocks, explained["Execution Time"]


async def generic_ways(raw: Raw, statement: Statement) -> frozenset[str]:
    """Return what ways_of() says of a statement's generic plan, without running it."""
    return ways_of(await plan_for_any(raw, statement))


async def ways_for_arguments(raw: Raw, statement: Statement) -> frozenset[str]:
    """Return what ways_of() says of the plan for a statement's arguments, without running it."""
    return ways_of(await plan_for_arguments(raw, statement))


def ways_of(plan: dict[str, Any]) -> frozenset[str]:
    """Return the indexes that a plan uses, and its other kinds of scan with their tables."""
    found = [*nodes_of(plan)]
    by_index = {whole(node["Index Name"]) for node in found if "Index Name" in node}
    other = {
        f"{node['Node Type']} of {whole(node['Relation Name'])}"
        for node in found
        if "Relation Name" in node and "Seq" in node["Node Type"]
    }
    return frozenset(by_index | other)


_NAMES: Final = {
    "audit_organization_id_at_id_idx": "audit_by_time",
    "audit_organization_id_target_at_id_idx": "audit_by_target_and_time",
    "audit_transaction_id_id_idx": "audit_by_transaction",
}


def whole(name: str) -> str:
    """Return the name of what a month's table or index is a part of."""
    of_trail = re.sub(r"^audit_(\d{4}_\d{2}|earlier|later)", "audit", name)
    return _NAMES.get(of_trail, of_trail)


async def _literals(raw: Raw, statement: Statement) -> str:
    """Return a statement's arguments as EXECUTE takes them."""
    types = (await raw.prepare(statement.text)).get_parameters()
    literals = [
        await raw.fetchval(f"SELECT quote_nullable($1::{kind.name}::text)", argument)
        for kind, argument in zip(types, statement.arguments, strict=True)
    ]
    return f"({', '.join(literals)})" if literals else ""


async def _fetched(raw: Raw) -> Counter[str]:
    """Return the blocks that this transaction has asked for so far, by table or index; the trail's months as one."""
    rows = await raw.fetch(
        """
        SELECT c.relname::text, pg_stat_get_xact_blocks_fetched(c.oid)
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i')
        """
    )
    fetched: Counter[str] = Counter()
    for name, blocks in rows:
        fetched[whole(name)] += blocks
    return fetched
