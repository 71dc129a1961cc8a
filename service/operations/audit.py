"""Operations on the audit trail."""

import re
from dataclasses import replace

from service.audit.timelines import carry_over
from service.database.pool import Connection
from service.errors import FailedPrecondition, NotFound
from service.operations.call import Call
from service.permissions import require_administrator
from service.repositories import audit, audit_feed, audit_seals
from service.repositories.audit import Entry
from service.repositories.audit_feed import PAGE_SIZE, FeedCursor
from service.schemas.audit import ListAudit, Proof, ProveEntry
from service.schemas.pages import Page
from service.values.merkle import inclusion_path


async def list_audit(call: Call, request: ListAudit) -> Page[Entry]:
    """List the rows of the audit trail, newest first, each with the state before and after.

    A page ends early where those states are large, and where it has examined very many entries for an actor or an
    action: it may have none, and yet another one behind it.

    Raises:
        PermissionDenied: the caller is no administrator.
    """
    span = call.span(request)
    require_administrator(call.caller, "read the audit trail")
    async with call.database.connection() as connection:
        found = await audit.page(
            connection,
            call.caller.organization_id,
            actor=request.actor,
            action=request.action,
            target=request.target,
            since=request.since,
            until=request.until,
            span=span,
        )
    return call.pages.cut_found(request, span, found)


async def begin_to_follow(call: Call) -> FeedCursor:
    """Return the place from which on what happens is new.

    Raises:
        PermissionDenied: the caller is no administrator.
    """
    require_administrator(call.caller, "read the audit trail")
    async with call.database.connection() as connection:
        state = await audit_feed.read_state(connection, call.caller.organization_id)
    return FeedCursor(state.snapshot, epoch=state.epoch)


async def follow_audit(call: Call, request: ListAudit, cursor: FeedCursor) -> tuple[list[Entry], FeedCursor]:
    """Return entries that are new since a place, as far as the filters by actor, action and target fit, and the next.

    Each entry comes once, whenever its transaction commits. There may be more at once, unless the next place has no
    target.

    Raises:
        PermissionDenied: the caller is no administrator.
        FailedPrecondition: the database has gone back behind that place, or may lack what was read.
    """
    require_administrator(call.caller, "read the audit trail")
    async with call.database.connection() as connection:
        if cursor.target is None:
            cursor = await _go_on(connection, call, cursor)
        assert cursor.target is not None  # noqa: S101 - it has been set
        found = await audit_feed.page(
            connection,
            call.caller.organization_id,
            seen=cursor.seen,
            target=cursor.target,
            after=cursor.after,
            actor=request.actor,
            action=request.action,
            on=request.target,
        )
    if len(found) < PAGE_SIZE:
        return found, FeedCursor(cursor.target, epoch=cursor.epoch)
    return found, replace(cursor, after=found[-1].id)


async def _go_on(connection: Connection, call: Call, cursor: FeedCursor) -> FeedCursor:
    """Return a place with the present snapshot as the one up to which is read.

    Raises:
        FailedPrecondition: the database has gone back behind that place, or may lack what was read.
    """
    state = await audit_feed.read_state(connection, call.caller.organization_id, cursor.epoch)
    if cursor.epoch is None:
        back = cursor.goes_back_to(state.snapshot)
    else:
        back = await carry_over(connection, cursor.epoch, state) is None
    if back:
        raise FailedPrecondition("The database has gone back to an earlier state: begin anew to follow the trail.")
    new = state.snapshot != cursor.seen or cursor.epoch is None
    return FeedCursor(cursor.seen, state.snapshot, epoch=state.epoch if new else cursor.epoch)


async def prove_entry(call: Call, request: ProveEntry) -> Proof:
    """Prove that an entry was there when it was sealed; whether it is still what it was shows when its leaf is hashed.

    Raises:
        PermissionDenied: the caller is no administrator.
        NotFound: the organization has no such entry.
        FailedPrecondition: it is younger than the last seal.
    """
    require_administrator(call.caller, "read the audit trail")
    number = int(request.id) if re.fullmatch("[0-9]{1,18}", request.id) else 0
    async with call.database.connection() as connection:
        leaf = await audit_seals.read_canonical(connection, call.caller.organization_id, number)
        if leaf is None:
            raise NotFound("There is no entry of this number in the audit trail.")
        seal = await audit_seals.find_of_entry(connection, number)
    if seal is None:
        raise FailedPrecondition(
            f"Entry {request.id} is not sealed yet: it is in the tail that the next seal covers; try again after that."
        )
    hashes, index = seal.hashes, seal.numbers.index(number)
    return Proof(number, leaf, hashes[index], index, len(hashes), inclusion_path(hashes, index), seal)
