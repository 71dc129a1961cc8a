"""Requests and answers about the audit trail."""

from datetime import datetime
from typing import Any, ClassVar, Final

from marshmallow import Schema, fields

from service.repositories.audit import ORDERS, Entry
from service.repositories.ordering import Orders
from service.schemas.answers import OrderedListSchema, answers, dump_page
from service.schemas.fields import Instant, PageSize, order_by, page_token, text, total
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

    actor: str | None = field(text(WORD_LENGTH), default=None)
    action: str | None = field(text(WORD_LENGTH), default=None)
    target: str | None = field(text(TARGET_LENGTH), default=None)
    since: datetime | None = field(Instant(), default=None)
    until: datetime | None = field(Instant(), default=None)
    order_by: str | None = field(order_by(ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


class EntrySchema(Schema):
    """One change."""

    id = fields.Integer(required=True)
    at = fields.AwareDateTime(required=True)
    actor = fields.String(required=True)
    token_id = fields.UUID(required=True, allow_none=True)
    action = fields.String(required=True)
    target = fields.String(required=True)
    before = fields.Dict(required=True, allow_none=True, metadata={"description": "Null if it created."})
    after = fields.Dict(required=True, allow_none=True, metadata={"description": "Null if it deleted."})
    request_id = fields.String(required=True, allow_none=True)


class AuditSchema(OrderedListSchema):
    """The trail, newest first."""

    audit = fields.List(fields.Nested(EntrySchema), required=True)


@answers(AuditSchema)
def dump_audit(page: Page[Entry]) -> dict[str, Any]:
    """Dump a page of changes; entries are dataclasses of the schema's own names."""
    return dump_page("audit", page, _as_it_is)


def _as_it_is(entry: Entry) -> Any:
    return entry
