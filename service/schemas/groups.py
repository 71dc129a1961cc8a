"""Requests and answers about groups and their members."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from marshmallow import Schema, fields, validate

from service.repositories.groups import MEMBER_ORDERS, ORDERS, Group, Member
from service.repositories.ordering import Orders
from service.schemas.answers import AnswerSchema, OrderedListSchema, answers, dump_page
from service.schemas.fields import (
    BoundedList,
    Name,
    PageSize,
    Ruled,
    order_by,
    page_token,
    part_of_name,
    says,
    text,
    total,
)
from service.schemas.pages import Page
from service.schemas.request import field, request
from service.values.names import EMAIL, GROUP_NAME

GROUP: Final = "The name of the group, in upper or lower case."


@request
class ListGroups:
    """The groups of the organization, or those of them that fit the filter.

    Filter: a part of the name regardless of case.
    """

    orders: ClassVar[Orders] = ORDERS

    contains: str | None = field(part_of_name(data_key="name"), default=None)
    order_by: str | None = field(order_by(ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class ListUserGroups:
    """The groups that a user is in.

    By name.
    """

    orders: ClassVar[Orders] = ORDERS

    username: str = field(Name(), "The name of the user, in upper or lower case.")
    order_by: str | None = field(order_by(ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class CreateGroup:
    """A new group.

    Its name is unique in the organization, regardless of case, and not a word of an address, such as `me`.
    """

    name: str = field(Ruled(GROUP_NAME), "The name of the group.")


@request
class GroupRef:
    """One group, to be read or deleted.

    Names one group, regardless of case.
    """

    name: str = field(Name(), GROUP)


@request
class RenameGroup:
    """A group and its new name.

    The name it is to have from now on.
    """

    name: str = field(Name(), GROUP)
    new_name: str = field(Ruled(GROUP_NAME), "The name it is to have from now on.")


@request
class ListMembers:
    """The members of a group, or those of them that fit the filter.

    By username.
    """

    orders: ClassVar[Orders] = MEMBER_ORDERS

    name: str = field(Name(), GROUP)
    q: str | None = field(
        text(EMAIL.max_length), "Only those with this in their username, display name or email address.", default=None
    )
    order_by: str | None = field(order_by(MEMBER_ORDERS), default=None)
    total: bool = field(total(), default=False)
    page_size: int | None = field(PageSize(), default=None)
    page_token: str | None = field(page_token(), default=None)


@request
class MemberRef:
    """A user, to be put into a group or taken out."""

    name: str = field(Name(), GROUP)
    username: str = field(Name(), "The username of the member, in upper or lower case.")


MAX_GROUPS_OF_USER: Final = 1_000
"""Groups of a user beyond which calls put them into no other; an import may have put them into more."""
MAX_NAMES: Final = 1000
"""The number of users whom one change of a group's members may name."""


def _usernames() -> fields.Field[list[str]]:
    return BoundedList(Name(), MAX_NAMES)  # type: ignore[return-value] # none is null


@request
class UpdateMembers:
    """Users to put into a group, and users to take out of it.

    All or nothing, of at most 1,000 users together. Nothing happens to those who are in the group already, or are not
    in it: the answer names those who came and went. Names that nobody bears are told in `details`.
    """

    name: str = field(Name(), "The name of the group, in upper or lower case.")
    add: list[str] | None = field(_usernames(), "The usernames of those who are to be in it.", default=None)
    remove: list[str] | None = field(_usernames(), "The usernames of those who are not to be in it.", default=None)


class GroupSchema(Schema):
    """A group; when it was made only for administrators."""

    name = fields.String(required=True, metadata=says("The name of the group."))
    created_at = fields.AwareDateTime(metadata=says("The time of its creation; only for administrators."))
    provisioned = fields.Boolean(
        metadata={"description": "True if an identity provider manages it by SCIM, and alone changes it; else absent."}
    )


class GroupAnswerSchema(AnswerSchema):
    """One group."""

    group = fields.Nested(GroupSchema, required=True, metadata=says("The group."))


class GroupListSchema(OrderedListSchema):
    """Groups by name."""

    groups = fields.List(fields.Nested(GroupSchema), required=True, metadata=says("The groups, by name."))


class MemberSchema(Schema):
    """A user in a group, since when."""

    username = fields.String(required=True, metadata=says("The username of the member."))
    created_at = fields.AwareDateTime(required=True, metadata=says("The time since which they are in the group."))


class MemberListSchema(OrderedListSchema):
    """The members of a group, by name."""

    members = fields.List(fields.Nested(MemberSchema), required=True, metadata=says("The members, by username."))


class MembersUpdatedSchema(AnswerSchema):
    """The users who came into a group by a change of its members, and those who went."""

    added = fields.List(
        fields.String(),
        required=True,
        validate=validate.Length(max=MAX_NAMES),
        metadata=says("The usernames of those who came."),
    )
    removed = fields.List(
        fields.String(),
        required=True,
        validate=validate.Length(max=MAX_NAMES),
        metadata=says("The usernames of those who went."),
    )


@dataclass(frozen=True, slots=True)
class MembersUpdated:
    """The names of the users who came into a group by a change of its members, and of those who went."""

    added: list[str]
    removed: list[str]


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group, as whole as the caller may see it: every member may read the names, administrators the rest."""

    group: Group
    whole: bool


@answers(GroupAnswerSchema)
def dump_group(seen: GroupView) -> dict[str, Any]:
    """Dump one group."""
    return {"status": "OK", "group": _dump_group(seen)}


@answers(GroupListSchema)
def dump_group_list(page: Page[GroupView]) -> dict[str, Any]:
    """Dump a page of groups."""
    return dump_page("groups", page, _dump_group)


@answers(MemberListSchema)
def dump_member_list(page: Page[Member]) -> dict[str, Any]:
    """Dump a page of a group's members."""
    return dump_page("members", page, lambda member: {"username": member.username, "created_at": member.created_at})


@answers(MembersUpdatedSchema)
def dump_members_updated(updated: MembersUpdated) -> dict[str, Any]:
    """Dump the names of those who came and went."""
    return {"status": "OK", "added": updated.added, "removed": updated.removed}


def _dump_group(seen: GroupView) -> dict[str, Any]:
    group = seen.group
    whole = {"created_at": group.created_at} if seen.whole else {}
    managed = {"provisioned": True} if seen.whole and group.provisioned else {}
    return {"name": group.name, **whole, **managed}
