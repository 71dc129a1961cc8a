"""Requests and answers about declared states."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from marshmallow import Schema, fields, validate

from service.schemas.answers import AnswerSchema, answers
from service.schemas.fields import BoundedList, Flag, Name, PipelineName, Ruled, objects, text
from service.schemas.grants import MAX_GRANTS, GrantInSet
from service.schemas.groups import MAX_NAMES
from service.schemas.request import field, request
from service.values.names import DESCRIPTION, GROUP_NAME

MAX_DECLARED: Final = 200
"""The number of pipelines, and of groups, that one state may declare, and that pruning may delete."""
MAX_CHANGES: Final = 2_000
"""The number of changes that one state may take."""


@request
class DeclaredPipeline:
    """A pipeline as it is to be; what is left out stays as it is."""

    name: str = field(PipelineName(), "The name of the pipeline.")
    description: str | None = field(Ruled(DESCRIPTION), "The description it is to have.", default=None)
    grants: list[GrantInSet] | None = field(
        objects(GrantInSet, MAX_GRANTS),
        "Grants that there are to be on it; others stay, but with `prune`.",
        default=None,
    )


@request
class DeclaredGroup:
    """A group as it is to be; without members, these stay as they are."""

    name: str = field(Ruled(GROUP_NAME), "The name of the group.")
    members: list[str] | None = field(
        BoundedList(Name(), MAX_NAMES),
        "Usernames of those who are to be in it; others stay, but with `prune`.",
        default=None,
    )  # type: ignore[assignment] # none is null


@request
class Apply:
    """Pipelines, groups and grants as they are to be, all or nothing.

    Each is found by its name, regardless of case, and made if there is none. What is declared is put there, by the
    rules of the call that changes it alone; what is not declared stays. With `prune` it goes, in the lists that are
    given: grants and members beside those that are declared, and pipelines and groups beside those, as far as the
    caller may read them; a pipeline that has jobs in it is not deleted. `dry_run` answers what would be changed, or by
    what it would be refused, and changes nothing. The `plan` of that answer lets a call go on only if it would change
    the same.
    """

    pipelines: list[DeclaredPipeline] | None = field(
        objects(DeclaredPipeline, MAX_DECLARED), "The pipelines that there are to be.", default=None
    )
    groups: list[DeclaredGroup] | None = field(
        objects(DeclaredGroup, MAX_DECLARED), "The groups that there are to be.", default=None
    )
    prune: bool = field(Flag(), "True to delete what is not declared.", default=False)
    dry_run: bool = field(Flag(), "True to change nothing, and say what would be.", default=False)
    plan: str | None = field(text(100), "The plan of a dry run: refused if the changes would be others.", default=None)


class ChangeSchema(Schema):
    """One change."""

    action = fields.String(required=True, metadata={"description": "As the audit trail has it, such as grant.set."})
    target = fields.String(required=True, metadata={"description": "By its name, such as grant:Invoices/user:ada."})
    before = fields.Dict(required=True, allow_none=True, metadata={"description": "Null if it creates."})
    after = fields.Dict(required=True, allow_none=True, metadata={"description": "Null if it deletes."})


class AppliedSchema(AnswerSchema):
    """The changes that a declared state has taken, or would take."""

    changes = fields.List(
        fields.Nested(ChangeSchema),
        required=True,
        validate=validate.Length(max=MAX_CHANGES),
        metadata={"description": f"In the order in which they are made; at most {MAX_CHANGES:,}."},
    )
    dry_run = fields.Boolean(required=True, metadata={"description": "True if nothing was changed."})
    plan = fields.String(required=True, metadata={"description": "The same for the same changes."})


@dataclass(frozen=True, slots=True)
class Change:
    """One change, with the state before and after."""

    action: str
    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Applied:
    """The changes that a declared state has taken, or would take."""

    changes: list[Change]
    dry_run: bool
    plan: str


@answers(AppliedSchema)
def dump_applied(applied: Applied) -> dict[str, Any]:
    """Dump the changes that a declared state takes."""
    return {
        "status": "OK",
        "changes": applied.changes,  # dataclasses of the schema's own names
        "dry_run": applied.dry_run,
        "plan": applied.plan,
    }
