"""Requests and answers about the audit trail."""

from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple

from marshmallow import Schema, fields, validate

from service.repositories.audit import ORDERS, Entry
from service.repositories.audit_seals import MAX_ENTRIES, Seal
from service.repositories.ordering import Orders
from service.schemas.answers import AnswerSchema, OrderedListSchema, answers, dump_page
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

    Newest first. Filters: the actor's username, the action, the target, and a time from (included) and to. For an actor
    or an action a page looks at 50,000 changes at most: it may be empty, and yet have a `next_page_token`.
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


@request
class ProveEntry:
    """The proof that an entry was there when it was sealed, and is what it was."""

    id: str = field(text(18, "The number of the entry."))


class Proof(NamedTuple):
    """The proof of one entry by RFC 9162."""

    id: int
    leaf: str
    leaf_hash: bytes
    leaf_index: int
    tree_size: int
    path: list[bytes]
    seal: Seal


class SealSchema(Schema):
    """The seal of an entry."""

    number = fields.Integer(required=True, metadata=says("The number of the seal, from 1."))
    sealed_at = fields.AwareDateTime(required=True, metadata=says("The time at which it was made."))
    root = fields.String(required=True, metadata=says("The root of the tree over its entries, in hex."))
    previous = fields.String(required=True, metadata=says("The chain up to the seal before, in hex."))
    chain = fields.String(required=True, metadata=says("The chain up to this seal, in hex, as the log has it."))


class ProofSchema(AnswerSchema):
    """The proof of one entry: SHA-256 of a byte 0 and the leaf's UTF-8 leads by the path to the root (RFC 9162)."""

    id = fields.Integer(required=True, metadata={**says("The number of the entry."), "format": "int64"})
    leaf = fields.String(required=True, metadata=says("The text of the entry that is sealed, as it is now."))
    leaf_hash = fields.String(required=True, metadata=says("The hash of what was sealed, in hex."))
    leaf_index = fields.Integer(required=True, metadata=says("The place of the entry in the tree, from 0."))
    tree_size = fields.Integer(required=True, metadata=says("The number of entries in the tree."))
    inclusion_path = fields.List(
        fields.String(),
        required=True,
        validate=validate.Length(max=MAX_ENTRIES.bit_length()),
        metadata=says("The hashes beside the way to the root, from below, in hex."),
    )
    seal = fields.Nested(SealSchema, required=True, metadata=says("The seal whose root it leads to."))


@answers(ProofSchema)
def dump_proof(proof: Proof) -> dict[str, Any]:
    """Dump the proof of an entry, hashes in hex."""
    seal = proof.seal
    return {
        "status": "OK",
        "id": proof.id,
        "leaf": proof.leaf,
        "leaf_hash": proof.leaf_hash.hex(),
        "leaf_index": proof.leaf_index,
        "tree_size": proof.tree_size,
        "inclusion_path": [each.hex() for each in proof.path],
        "seal": {
            "number": seal.number,
            "sealed_at": seal.sealed_at,
            "root": seal.root.hex(),
            "previous": seal.previous.hex(),
            "chain": seal.chain.hex(),
        },
    }


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
