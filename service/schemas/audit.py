"""Requests and answers about the audit trail."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marshmallow import Schema, fields

from service.repositories.audit import Entry
from service.schemas.answers import ListSchema, dump_page
from service.schemas.fields import IN_QUERY, Instant, PageSize, page_token
from service.schemas.pages import Page
from service.schemas.request import RequestSchema


@dataclass(frozen=True, slots=True)
class ListAudit:
    """Who did what when."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    page_size: int | None = None
    page_token: str | None = None


class ListAuditSchema(RequestSchema):
    """Newest first. Filters: the actor's username, the action, the target, and a time from (included) and to."""

    loads_into = ListAudit
    actor = fields.String(metadata=IN_QUERY, load_default=None)
    action = fields.String(metadata=IN_QUERY, load_default=None)
    target = fields.String(metadata=IN_QUERY, load_default=None)
    since = Instant(metadata=IN_QUERY, load_default=None)
    until = Instant(metadata=IN_QUERY, load_default=None)
    page_size = PageSize()
    page_token = page_token()


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


class AuditSchema(ListSchema):
    """The trail, newest first."""

    audit = fields.List(fields.Nested(EntrySchema), required=True)


def dump_audit(page: Page[Entry]) -> dict[str, Any]:
    """An AuditSchema; entries are dataclasses of the schema's own names."""
    return dump_page("audit", page, _as_it_is)


def _as_it_is(entry: Entry) -> Any:
    return entry
