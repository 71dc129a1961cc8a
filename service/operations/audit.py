"""The operation on the audit trail."""

from service.operations.call import Call
from service.permissions import require_administrator
from service.repositories import audit
from service.repositories.audit import Entry
from service.schemas.audit import ListAudit
from service.schemas.pages import Page


async def list_audit(call: Call, request: ListAudit) -> Page[Entry]:
    """List the rows of the audit trail, newest first, each with the state before and after.

    A page ends early where those states are large.

    Raises:
        PermissionDenied: the caller is no administrator.
    """
    require_administrator(call.caller, "read the audit trail")
    after, size = call.page_start(request)
    async with call.database.connection() as connection:
        found, more = await audit.page(
            connection,
            call.caller.organization_id,
            actor=request.actor,
            action=request.action,
            target=request.target,
            since=request.since,
            until=request.until,
            after=after[0] if after else None,
            limit=size + 1,
        )
    return call.pages.cut(request, found, lambda entry: (entry.id,), size, more=more)
