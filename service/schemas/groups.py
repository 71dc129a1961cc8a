"""Requests and answers about groups and their members."""

from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields

from service.repositories.groups import Group, Member
from service.schemas.answers import AnswerSchema, ListSchema, dump_page
from service.schemas.fields import IN_PATH, IN_QUERY, Name, PageSize, page_token
from service.schemas.pages import Page
from service.schemas.request import RequestSchema


@dataclass(frozen=True, slots=True)
class ListGroups:
    """The groups of the organization."""

    contains: str | None = None
    page_size: int | None = None
    page_token: str | None = None


class ListGroupsSchema(RequestSchema):
    """Filter: a part of the name regardless of case."""

    loads_into = ListGroups
    contains = fields.String(metadata=IN_QUERY, load_default=None, data_key="name")
    page_size = PageSize()
    page_token = page_token()


@dataclass(frozen=True, slots=True)
class CreateGroup:
    """A new group."""

    name: str


class CreateGroupSchema(RequestSchema):
    """Its name is unique in the organization, regardless of case."""

    loads_into = CreateGroup
    name = Name(required=True)


@dataclass(frozen=True, slots=True)
class GroupRef:
    """One group, to be read or deleted."""

    name: str


class GroupRefSchema(RequestSchema):
    """Names one group, regardless of case."""

    loads_into = GroupRef
    name = Name(required=True, metadata=IN_PATH)


@dataclass(frozen=True, slots=True)
class RenameGroup:
    """A group, and the name it is to have."""

    name: str
    new_name: str


class RenameGroupSchema(RequestSchema):
    """The name it is to have from now on."""

    loads_into = RenameGroup
    name = Name(required=True, metadata=IN_PATH)
    new_name = Name(required=True)


@dataclass(frozen=True, slots=True)
class ListMembers:
    """Who is in a group."""

    name: str
    page_size: int | None = None
    page_token: str | None = None


class ListMembersSchema(RequestSchema):
    """By username."""

    loads_into = ListMembers
    name = Name(required=True, metadata=IN_PATH)
    page_size = PageSize()
    page_token = page_token()


@dataclass(frozen=True, slots=True)
class MemberRef:
    """A user, to be put into a group or taken out."""

    name: str
    username: str


class MemberRefSchema(RequestSchema):
    """Names the group and the user."""

    loads_into = MemberRef
    name = Name(required=True, metadata=IN_PATH)
    username = Name(required=True, metadata=IN_PATH)


class GroupSchema(Schema):
    """A group; when it was made only for administrators."""

    name = fields.String(required=True)
    created_at = fields.AwareDateTime()


class GroupAnswerSchema(AnswerSchema):
    """One group."""

    group = fields.Nested(GroupSchema, required=True)


class GroupListSchema(ListSchema):
    """Groups by name."""

    groups = fields.List(fields.Nested(GroupSchema), required=True)


class MemberSchema(Schema):
    """A user in a group, since when."""

    username = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)


class MemberListSchema(ListSchema):
    """The members of a group, by name."""

    members = fields.List(fields.Nested(MemberSchema), required=True)


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group, as whole as the caller may see it: every member may read the names, administrators the rest."""

    group: Group
    whole: bool


def dump_group(seen: GroupView) -> dict[str, Any]:
    """A GroupAnswerSchema."""
    return {"status": "OK", "group": _dump_group(seen)}


def dump_group_list(page: Page[GroupView]) -> dict[str, Any]:
    """A GroupListSchema."""
    return dump_page("groups", page, _dump_group)


def dump_member_list(page: Page[Member]) -> dict[str, Any]:
    """A MemberListSchema."""
    return dump_page("members", page, lambda member: {"username": member.username, "created_at": member.created_at})


def _dump_group(seen: GroupView) -> dict[str, Any]:
    whole = {"created_at": seen.group.created_at} if seen.whole else {}
    return {"name": seen.group.name, **whole}
