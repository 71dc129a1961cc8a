"""Operations on the audit trail."""

from service.errors import FailedPrecondition
from service.operations.call import Call
from service.permissions import require_administrator
from service.repositories import audit, audit_feed
from service.repositories.audit import Entry
from service.repositories.audit_feed import PAGE_SIZE, FeedCursor
from service.schemas.audit import ListAudit
from service.schemas.pages import Page


async def list_audit(call: Call, request: ListAudit) -> Page[Entry]:
    """List the rows of the audit trail, newest first, each with the state before and after.

    A page ends early where those states are large.

    Raises:
        PermissionDenied: the caller is no administrator.
    """
    require_administrator(call.caller, "read the audit trail")
    span = call.span(request)
    async with call.database.connection() as connection:
        found, more = await audit.page(
            connection,
            call.caller.organization_id,
            actor=request.actor,
            action=request.action,
            target=request.target,
            since=request.since,
            until=request.until,
            span=span,
        )
    return call.pages.cut(request, found.items, span.order.key, span.size, more=more, total=found.total)


async def begin_to_follow(call: Call) -> FeedCursor:
    """Return the place from which on what happens is new.

    Raises:
        PermissionDenied: the caller is no administrator.
    """
    require_administrator(call.caller, "read the audit trail")
    async with call.database.connection() as connection:
        return FeedCursor(await audit_feed.snapshot(connection))


async def follow_audit(call: Call, request: ListAudit, cursor: FeedCursor) -> tuple[list[Entry], FeedCursor]:
    """Return entries that are new since a place, as far as the filters by actor, action and target fit, and the next.

    Each entry comes once, whenever its transaction commits. There may be more at once, unless the next place has no
    target.

    Raises:
        PermissionDenied: the caller is no administrator.
        FailedPrecondition: the database has gone back behind that place.
    """
    require_administrator(call.caller, "read the audit trail")
    async with call.database.connection() as connection:
        target = cursor.target or await audit_feed.snapshot(connection)
        if cursor.goes_back_to(target):
            raise FailedPrecondition("The database has gone back to an earlier state: begin anew to follow the trail.")
        found = await audit_feed.page(
            connection,
            call.caller.organization_id,
            seen=cursor.seen,
            target=target,
            after=cursor.after,
            actor=request.actor,
            action=request.action,
            on=request.target,
        )
    if len(found) < PAGE_SIZE:
        return found, FeedCursor(target)
    return found, FeedCursor(cursor.seen, target, found[-1].id)
