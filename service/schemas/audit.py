"""Requests and answers about the audit trail."""

from datetime import datetime
from typing import Any, ClassVar, Final

from marshmallow import Schema, fields

from service.repositories.audit import ORDERS, Entry
from service.repositories.ordering import Orders
from service.schemas.answers import OrderedListSchema, answers, dump_page
from service.schemas.fields import Instant, PageSize, order_by, page_token, says, text, total
from service.schemas.pages import Page
from service.schemas.request import field, request

WORD_LENGTH: Final = 100
"""The characters of an actor or an action to look for: usernames have no more."""
TARGET_LENGTH: Final = 255
"""The characters of a target to look for: the longest is a grant's, of 150."""


@request
class ListAudit:
    """The changes in the audit trail that fit the filters.

    Newest first. Filters: the actor's username, the action, the target, and a time from (included) and to.
    """

    orders: ClassVar[Orders] = ORDERS

    actor: str | None = field(text(WORD_LENGTH), "Only changes by this username, as it was then.", default=None)
    action: str | None = field(text(WORD_LENGTH), "Only changes of this kind, such as `group.create`.", default=None)
    target: str | None = field(text(TARGET_LENGTH), "Only changes of this, such as `job:4711`.", default=None)
    since: datetime | None = field(Instant(), "Only changes at this time or later.", default=None)
    until: datetime | None = field(Instant(), "Only changes before this time.", default=None)
    order_by: str | None = field(order_by(ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


class EntrySchema(Schema):
    """One change."""

    id = fields.Integer(required=True, metadata={**says("The number of the entry."), "format": "int64"})
    at = fields.AwareDateTime(required=True, metadata=says("The time of the change."))
    actor = fields.String(
        required=True, metadata=says("The username of the user who made it, as it was then, or `command line`.")
    )
    token_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata=says(
            "The token by which it was made, or the link to an identity provider; null: at the command line."
        ),
    )
    action = fields.String(required=True, metadata=says("The kind of change, such as `group.create`."))
    target = fields.String(required=True, metadata=says("What was changed: its kind and name or id, as `job:4711`."))
    before = fields.Dict(required=True, allow_none=True, metadata=says("What it was before; null if it was created."))
    after = fields.Dict(required=True, allow_none=True, metadata=says("What it was after; null if it was deleted."))
    request_id = fields.String(
        required=True, allow_none=True, metadata=says("The request that made it, as the log has it; null if none did.")
    )


class AuditSchema(OrderedListSchema):
    """The trail, newest first."""

    audit = fields.List(fields.Nested(EntrySchema), required=True, metadata=says("The changes, newest first."))


@answers(AuditSchema)
def dump_audit(page: Page[Entry]) -> dict[str, Any]:
    """Dump a page of changes; entries are dataclasses of the schema's own names."""
    return dump_page("audit", page, _as_it_is)


def _as_it_is(entry: Entry) -> Any:
    return entry
