"""Requests and answers about changes as they happen."""

from datetime import datetime
from typing import Any, Final, NamedTuple

from marshmallow import Schema, fields, validate

from service.repositories.audit import Entry
from service.schemas.answers import AnswerSchema, answers
from service.schemas.audit import EntrySchema
from service.schemas.fields import Flag, PageSize, WholeNumber, says, text
from service.schemas.request import field, request

CURSOR_LENGTH: Final = 6_000
"""The characters of a cursor; one made beside 500 transactions under way has 3,000."""
MAX_CHANGES: Final = 1_000
"""Changes in one answer, the largest page."""
MAX_WAIT: Final = 30
"""Seconds that a request may wait for changes."""


@request
class ListChanges:
    """The changes of what the caller may see, since a place in the feed.

    Every change comes at least once, those of one object in the order in which they were made. Without `after` nothing
    has happened yet: `next_cursor` is where from now on begins. With `Accept: text/event-stream` the answer is a stream
    of the same changes that goes on, each an event with its cursor as its id; `Last-Event-ID` stands for `after` then.
    """

    after: str | None = field(
        text(CURSOR_LENGTH),
        "The `next_cursor` of the answer before, or the `cursor` of a change; `0`: as far back as kept; left out: now.",
        default=None,
    )
    wait: int = field(
        WholeNumber(0, MAX_WAIT, "Seconds to wait for a change if there is none yet."),
        default=0,
    )
    all: bool = field(
        Flag(metadata=says("Whether every entry of the audit trail is wanted, which administrators may ask for.")),
        default=False,
    )
    page_size: int | None = field(PageSize(), default=None)


@request
class WatchChanges:
    """The changes of what the caller may see, as they happen, until the client or the service ends the call."""

    after: str | None = field(
        text(CURSOR_LENGTH),
        "The `next_cursor` of the last answer; `0`: as far back as kept; left out: from now on.",
        default=None,
    )
    all: bool = field(
        Flag(metadata=says("Whether every entry of the audit trail is wanted, which administrators may ask for.")),
        default=False,
    )


class Change(NamedTuple):
    """Something that happened."""

    cursor: str
    at: datetime
    type: str
    target: str
    actor: str
    data: dict[str, Any]
    entry: Entry | None = None
    """The entry of the audit trail, where every one is asked for."""

    def dump(self) -> dict[str, Any]:
        """Return the change as JSON has it."""
        return {name: value for name, value in self._asdict().items() if name != "entry" or value is not None}


class ChangesFound(NamedTuple):
    """Some changes, and where to go on."""

    changes: list[Change]
    next_cursor: str
    more: bool = False
    """True if there may be more at once."""


class FeedChangeSchema(Schema):
    """One change."""

    cursor = fields.String(required=True, metadata=says("The place behind this change, to be given as `after`."))
    at = fields.AwareDateTime(required=True, metadata=says("The time of the change."))
    type = fields.String(
        required=True, metadata=says("The kind of change, such as `job.pipelines_changed`; with `all`, also actions.")
    )
    target = fields.String(required=True, metadata=says("What was changed: its kind and name or id, as `job:4711`."))
    actor = fields.String(
        required=True, metadata=says("The username of the user who made it, as it was then, or `command line`.")
    )
    data = fields.Dict(
        required=True,
        metadata=says("More about it, by its type: of `job.pipelines_changed`, ids `added` and `removed`."),
    )
    entry = fields.Nested(
        EntrySchema, metadata=says("The entry of the audit trail, as `GET /audit` has it; only with `all`.")
    )


class ChangesSchema(AnswerSchema):
    """The changes since a place."""

    changes = fields.List(
        fields.Nested(FeedChangeSchema),
        required=True,
        validate=validate.Length(max=MAX_CHANGES),
        metadata=says("The changes, those of one object in their order."),
    )
    next_cursor = fields.String(required=True, metadata=says("The place behind all that was looked at, as `after`."))


@answers(ChangesSchema)
def dump_changes(found: ChangesFound) -> dict[str, Any]:
    """Dump changes, and where to go on."""
    return {"status": "OK", "changes": [change.dump() for change in found.changes], "next_cursor": found.next_cursor}
