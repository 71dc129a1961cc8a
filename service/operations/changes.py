"""Operations on changes as they happen: pages of the feed, by what the caller may see when they are sent."""

from typing import Final
from uuid import UUID

from service.audit.sealing import epoch_name
from service.audit.timelines import carry_over
from service.database.pool import Connection
from service.errors import Gone, InvalidArgument
from service.feed.cursor import Cursor
from service.feed.sending import look_up, tell_each
from service.operations.call import Call
from service.permissions import require_administrator
from service.repositories import audit_feed, audit_feed_stops
from service.repositories.audit_feed import BEGINNING, FeedState, Read
from service.schemas.changes import Change, ChangesFound, ListChanges
from service.schemas.pages import DEFAULT_PAGE_SIZE

BEGIN: Final = "0"
"""The place before all that is kept."""
_BEGIN_ANEW: Final = "Read what there is now, and follow from now on: leave out after."
MAX_BYTES: Final = 2**18
"""Bytes of states that are read for one answer: to find out what they mean takes several times as long as to show them.
"""
MAX_READ: Final = 10
"""Pages of entries that are read for one answer, of which the caller may see few or none."""


async def list_changes(call: Call, request: ListChanges) -> ChangesFound:
    """List what has happened since a place in the feed, to what the caller may see now.

    Raises:
        PermissionDenied: every entry is asked for, by somebody who is no administrator.
        InvalidArgument: `after` is no cursor of this organization.
        Gone: what came behind that place is not kept, or was in another history of the database.
    """
    organization_id = call.caller.organization_id
    given = _given(request.after, organization_id)
    if request.all:
        require_administrator(call.caller, "follow every change of the organization")
    async with call.database.connection() as connection:
        state = await audit_feed.read_state(connection, organization_id, given.epoch if given else None)
        if request.after is None:
            now = Cursor(state.epoch, state.snapshot, None, 0, state.newest or 0)
            return ChangesFound([], now.write(organization_id))
        begin = Cursor(state.epoch, BEGINNING, state.snapshot)
        cursor = begin if given is None else await _carry_over(connection, given, state)
        return await _read(connection, call, request, cursor, state)


async def read_on(call: Call, request: ListChanges, cursor: Cursor, state: FeedState) -> ChangesFound:
    """List what has happened between a place and a state that is not before it, as `list_changes` does."""
    async with call.database.connection() as connection:
        return await _read(connection, call, request, cursor, state)


def _given(after: str | None, organization_id: UUID) -> Cursor | None:
    """Return the cursor that a client gives, if it gives one.

    Raises:
        InvalidArgument: `after` is no cursor of this organization.
    """
    if after is None or after == BEGIN:
        return None
    try:
        return Cursor.read(after, organization_id)
    except ValueError:
        sentence = (
            "Must be the next_cursor of an answer to this call, or the cursor of a change, unchanged; 0 begins with"
            " all that is kept, and without any the feed begins now."
        )
        raise InvalidArgument(f"The request is not valid: after: {sentence}", details={"after": [sentence]}) from None


def _changed_over() -> Gone:
    return Gone(f"The database has changed over since the cursor was made, and may have lost changes. {_BEGIN_ANEW}")


async def _carry_over(connection: Connection, cursor: Cursor, state: FeedState) -> Cursor:
    """Return a place as one of the present history of the database, behind which no entry is missing.

    Raises:
        Gone: it is none.
    """
    if cursor.epoch[:3] != state.epoch[:3]:
        raise Gone(f"The cursor is of another database, or of the time before this one was restored. {_BEGIN_ANEW}")
    # First, as nothing tells of what is gone which history it was of.
    if cursor.known and (state.oldest is None or state.oldest > cursor.known):
        raise Gone(f"The cursor is older than what is kept. {_BEGIN_ANEW}", reason="cursor_expired")
    epoch = await carry_over(connection, cursor.epoch, state)
    if epoch is None:
        raise _changed_over()
    return cursor._replace(epoch=epoch)


async def _read(
    connection: Connection, call: Call, request: ListChanges, cursor: Cursor, state: FeedState
) -> ChangesFound:
    """Read pages of entries until an answer is full, by number or by bytes, or there are no more."""
    size, changes, room = request.page_size or DEFAULT_PAGE_SIZE, list[Change](), MAX_BYTES
    organization_id = call.caller.organization_id
    for number in range(MAX_READ):
        if cursor.target is None and cursor.seen == state.snapshot:  # nothing is new: the place keeps its epoch
            return ChangesFound(changes, cursor.end(state.newest or 0).write(organization_id))
        if cursor.target is None or number == 0:
            cursor = await _aim(connection, cursor, state)
        read, more, last = await _page(connection, organization_id, cursor, state, room)
        entries = [each.entry for each in read]
        found = await look_up(connection, organization_id, [call.caller], entries)
        limit = size + 1 - len(changes)
        changes += await tell_each(entries, found.sight(call.caller), cursor, every=request.all, limit=limit)
        if len(changes) > size:
            return ChangesFound(changes[:size], changes[size - 1].cursor, more=True)
        if entries:
            cursor = cursor.behind(entries[-1].id)
        if last is not None:
            cursor, more = cursor._replace(after=last, part=0), True
        if not more and cursor.target == state.snapshot:
            return ChangesFound(changes, cursor.end(state.newest or 0).write(organization_id))
        if not more:  # of what came behind that snapshot, the newest one may be gone before it is read
            cursor = cursor.end()
        room -= sum(each.bytes for each in read)
        if len(changes) == size or (changes and (request.all or room <= 0)):
            break
        room = room if changes else MAX_BYTES
    return ChangesFound(changes, cursor.write(organization_id), more=True)


async def _aim(connection: Connection, cursor: Cursor, state: FeedState) -> Cursor:
    """Return a place with the snapshot up to which is read next: the present one, or one on the way there.

    One that the client says is looked at, too: as far away as it is, it may be made up. What was sent of what comes
    behind the stop is sent again.
    """
    if cursor.target is None:
        cursor = cursor._replace(epoch=state.epoch, target=state.snapshot, after=0)
    assert cursor.target is not None  # noqa: S101 - it has just been set
    if cursor.seen == BEGINNING:  # read by the ids of one organization
        return cursor
    stop = await audit_feed_stops.find_stop(connection, cursor.seen, cursor.target, epoch_name(state.epoch))
    return cursor if stop is None else cursor._replace(target=stop)


async def _page(
    connection: Connection, organization_id: UUID, cursor: Cursor, state: FeedState, max_bytes: int
) -> tuple[list[Read], bool, int | None]:
    """Read a page of entries between the two snapshots of a place.

    Returns:
        The entries; whether there may be more between the snapshots; and the id of the last one that was looked at, if
        that is what has ended the page.

    Raises:
        Gone: what was read is of another history than the place.
    """
    assert cursor.target is not None  # noqa: S101 - it has been set
    if cursor.seen == BEGINNING:
        last = None
        if audit_feed_stops.is_far(cursor.target, state.snapshot):  # which may see few of those that there are, or none
            last = await audit_feed_stops.find_far(connection, organization_id, cursor.after)
        read, more = await audit_feed.read_from_beginning(
            connection, organization_id, target=cursor.target, after=cursor.after, last=last, max_bytes=max_bytes
        )
        return read, more, None if more else last
    found = await audit_feed.read_between(
        connection,
        [organization_id],
        seen=cursor.seen,
        target=cursor.target,
        after=cursor.after,
        epoch=cursor.epoch,
        max_bytes=max_bytes,
    )
    if not found.holds:  # its statements went to two servers, as behind a pooler that has just been led to another
        raise _changed_over()
    return found.entries, found.more, None
