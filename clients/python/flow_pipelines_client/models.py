"""The words, parts of requests and answers of the API.

Written by `make client` from the method table: a change here would be lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from flow_pipelines_client.answers import Answer, Page, Word

__all__ = [
    "Access",
    "AccessAnswer",
    "AccessList",
    "Ages",
    "Applied",
    "Attention",
    "Audit",
    "Change",
    "Code",
    "DeclaredGroupInput",
    "DeclaredPipelineInput",
    "EndingGrant",
    "EndingGrants",
    "Entry",
    "Explanation",
    "Grant",
    "GrantAnswer",
    "GrantInSetInput",
    "GrantList",
    "Group",
    "GroupAnswer",
    "GroupGrant",
    "GroupGrantList",
    "GroupList",
    "Job",
    "JobAnswer",
    "JobList",
    "KeptGrant",
    "LooseJob",
    "LooseJobs",
    "MappedGroup",
    "Me",
    "MeAnswer",
    "Member",
    "MemberList",
    "MembersUpdated",
    "NamedPipeline",
    "NewToken",
    "OverviewAnswer",
    "Permission",
    "PermissionText",
    "Pipeline",
    "PipelineAnswer",
    "PipelineInfo",
    "PipelineItem",
    "PipelineJobs",
    "PipelineList",
    "Proof",
    "Provided",
    "Queue",
    "QueuedJob",
    "Reason",
    "Replaced",
    "Revoked",
    "Role",
    "RoleText",
    "RotatedToken",
    "Scope",
    "ScopeText",
    "Seal",
    "SelfGranted",
    "SelfGrantedManagers",
    "Status",
    "Token",
    "TokenList",
    "TokenView",
    "Unexecuted",
    "UnusedToken",
    "UnusedTokens",
    "UpdateJobPipelinesInput",
    "UpdatedPipeline",
    "UpdatedPipelines",
    "User",
    "UserAccess",
    "UserAnswer",
    "UserList",
    "UserUpdated",
    "Verdict",
    "Verdicts",
]


class Code(Word):
    """The name of the google.rpc.Code of a failure; others may come."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    """The request is wrong in itself, whatever the state."""
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    """The state does not allow it, or is not what the request demands."""
    UNAUTHENTICATED = "UNAUTHENTICATED"
    """The bearer token is missing or not good."""
    PERMISSION_DENIED = "PERMISSION_DENIED"
    """The caller may see it, but not do this with it."""
    NOT_FOUND = "NOT_FOUND"
    """It does not exist, or the caller may not see it."""
    ALREADY_EXISTS = "ALREADY_EXISTS"
    """The name or id is taken."""
    ABORTED = "ABORTED"
    """Other changes kept coming between; the same request may succeed now."""
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    """The caller has reached a limit; trying again later is right."""
    UNIMPLEMENTED = "UNIMPLEMENTED"
    """The address does not take this method."""
    INTERNAL = "INTERNAL"
    """The service failed; its log has the cause by the request's id."""
    UNAVAILABLE = "UNAVAILABLE"
    """The service or its database can't answer right now; trying again is right."""
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    """It took too long."""


class Permission(Word):
    """One of the five permissions on a pipeline."""

    READ = "flow_pipeline:read"
    """See it, and the jobs in it."""
    EXECUTE = "flow_pipeline:execute"
    """Put jobs in, and take them out."""
    DELETE = "flow_pipeline:delete"
    """Delete it."""
    MANAGE_PIPELINES = "flow_pipeline:manage_pipelines"
    """Decide who may do what on it."""
    WRITE = "flow_pipeline:write"
    """Rename and describe it."""


PermissionText: TypeAlias = (
    Permission
    | Literal[
        "flow_pipeline:read",
        "flow_pipeline:execute",
        "flow_pipeline:delete",
        "flow_pipeline:manage_pipelines",
        "flow_pipeline:write",
    ]
)
"""One of them, or the same as text."""


class Role(Word):
    """A user's role in their organization."""

    MEMBER = "member"
    """May do what they are granted."""
    PIPELINE_ADMIN = "pipeline_admin"
    """Acts as a manager of every pipeline, and creates them."""
    ADMIN = "admin"
    """May do that too, and handles users, groups, and other users' tokens."""


RoleText: TypeAlias = Role | Literal["member", "pipeline_admin", "admin"]
"""One of them, or the same as text."""


class Scope(Word):
    """A scope of a token, which can do no more than its scopes say."""

    READ = "flow_pipeline:read"
    """See it, and the jobs in it."""
    EXECUTE = "flow_pipeline:execute"
    """Put jobs in, and take them out."""
    DELETE = "flow_pipeline:delete"
    """Delete it."""
    MANAGE_PIPELINES = "flow_pipeline:manage_pipelines"
    """Decide who may do what on it."""
    WRITE = "flow_pipeline:write"
    """Rename and describe it."""
    ADMIN = "admin"
    """Do what only administrators may."""
    TOKENS = "tokens"
    """Make, list, rotate and revoke tokens."""
    SCIM = "scim"
    """Provision users and groups by SCIM, which takes an administrator's token and no other scope."""


ScopeText: TypeAlias = (
    Scope
    | Literal[
        "flow_pipeline:read",
        "flow_pipeline:execute",
        "flow_pipeline:delete",
        "flow_pipeline:manage_pipelines",
        "flow_pipeline:write",
        "admin",
        "tokens",
        "scim",
    ]
)
"""One of them, or the same as text."""


class Status(Word):
    """The status of one of several results."""

    OK = "OK"
    """It is done."""
    ERROR = "ERROR"
    """It failed; `code` and `msg` say why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateJobPipelinesInput:
    """The pipelines that a job is to be in from now on, in this order.

    Names a job and its whole new set of pipelines.
    """

    job_id: str
    """The id of the job, as it was registered."""
    pipeline_ids: Iterable[UUID | str]
    """All the pipelines that it is to be in; an empty list takes it out of every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantInSetInput:
    """One grant of a whole set, to a user or to a group.

    Any grant includes read.
    """

    permissions: Iterable[PermissionText]
    """What is granted; any grant includes read. Managers hold all five, whatever this list has."""
    user: str | None = None
    """The user it is to; left out: a group."""
    group: str | None = None
    """The group it is to; left out: a user."""
    is_manager: bool | None = None
    """True to make a manager, who holds all five permissions."""
    expires_at: datetime | None = None
    """When it ends: after now, before the year 2200; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredPipelineInput:
    """A pipeline as it is to be; what is left out stays as it is."""

    name: str
    """The name of the pipeline."""
    description: str | None = None
    """The description it is to have."""
    grants: Iterable[GrantInSetInput] | None = None
    """Grants that there are to be on it; others stay, but with `prune`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredGroupInput:
    """A group as it is to be; without members, these stay as they are."""

    name: str
    """The name of the group."""
    members: Iterable[str] | None = None
    """Usernames of those who are to be in it; others stay, but with `prune`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineList(Page):
    """The answer of both of the vendor's lists."""

    pipelines: list[PipelineItem]
    """The pipelines, by name and then by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineItem:
    """A pipeline in a list, as the vendor's document has it."""

    name: str
    """The name of the pipeline."""
    id: UUID
    """The id of the pipeline."""
    permissions: list[Permission]
    """What the caller may do on it with this token."""
    is_manager: bool
    """True if the caller is a manager of it, who may do all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedPipelines(Answer):
    """The answer to an update: the job's pipelines in the order of the request."""

    updated_pipelines: list[UpdatedPipeline]
    """The pipelines that the job is in now, as they were asked for, each once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatedPipeline:
    """A pipeline of an updated job, in the vendor's own spelling."""

    flow_pipeline_name: str = field(metadata={"key": "flowPipelineName"})
    """The name of the pipeline."""
    flow_pipeline_id: UUID = field(metadata={"key": "flowPipelineId"})
    """The id of the pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts(Answer):
    """The answer to a batch of updates: a verdict for each, in the order of the request."""

    results: list[Verdict]
    """A verdict on each update, in the order of the request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of one update of a batch: the job's pipelines, or the failure's code and sentence."""

    job_id: str
    """The id of the job, as it was registered."""
    status: Status
    """`OK` or `ERROR`: whether it was done."""
    updated_pipelines: list[UpdatedPipeline] | None = None
    """The pipelines that the job is in now; only where it was done."""
    code: str | None = None
    """The name of the google.rpc.Code, of a failure."""
    msg: str | None = None
    """What went wrong, for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineAnswer(Answer):
    """One pipeline."""

    pipeline: Pipeline
    """The pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A whole pipeline."""

    name: str
    """The name of the pipeline."""
    id: UUID
    """The id of the pipeline."""
    permissions: list[Permission]
    """What the caller may do on it with this token."""
    is_manager: bool
    """True if the caller is a manager of it, who may do all."""
    description: str
    """The description, for people; it may be empty."""
    created_at: datetime
    """The time of its creation."""
    updated_at: datetime
    """The time of the last change of name or description."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineJobs(Page):
    """A pipeline's queue, oldest first."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    jobs: list[QueuedJob]
    """The jobs, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A job in a pipeline's queue."""

    id: str
    """The id of the job."""
    name: str
    """The name of the job; it may be empty."""
    owner: str
    """The username of the job's owner."""
    assigned_at: datetime
    """The time since which it is in the pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantList(Page):
    """Grants on a pipeline, expired ones too."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    grants: list[Grant]
    """The grants: groups first, then by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A grant: of username and group, one is None."""

    username: str | None
    """The user it is to; None: a group."""
    group: str | None
    """The group it is to; None: a user."""
    permissions: list[Permission]
    """What it grants."""
    is_manager: bool
    """True if it makes a manager."""
    expires_at: datetime | None
    """The time of its end; None: never."""
    updated_at: datetime
    """The time at which it was made as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantAnswer(Answer):
    """One grant."""

    grant: Grant
    """The grant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessList(Page):
    """Users with access to a pipeline, by name."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    users: list[UserAccess]
    """The users, by username."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAccess:
    """A user with access to a pipeline, and their permissions."""

    username: str
    """The name of the user."""
    permissions: list[Permission]
    """What they may do on the pipeline."""
    is_manager: bool
    """True if they are a manager of it, who may do all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessAnswer(Answer):
    """One user's access to a pipeline."""

    access: Access
    """What the user may do, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A user's access to a pipeline, and the reasons for each of the five permissions."""

    username: str
    """The name of the user."""
    permissions: list[Permission]
    """What they may do on the pipeline."""
    is_manager: bool
    """True if they are a manager of it, who may do all."""
    explanations: list[Explanation]
    """One for each of the five permissions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The reasons by which one permission is held, or what is missing."""

    permission: Permission
    """The permission in question."""
    held: bool
    """True if the user holds it."""
    reasons: list[Reason]
    """All that gives it to them."""
    missing: str | None
    """What is missing, for a person; None if they hold it."""
    unlisted: int | None = None
    """The number of reasons beyond those; absent if there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One path that gives a permission."""

    through: str
    """What gives it: a grant to the user, one to a group of theirs, or their role."""
    name: str
    """The name of the user, the group or the role."""
    as_manager: bool
    """True if it makes a manager, who holds all five."""
    expires_at: datetime | None
    """The time until which it gives it; None: for ever."""
    mapped_from: str | None = None
    """The identity provider's own name of the group or role, where a claim is mapped to it; absent where it is the user's without that.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList(Page):
    """Jobs, newest first."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    jobs: list[Job]
    """The jobs, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job."""

    id: str
    """The id of the job, as it was registered."""
    name: str
    """The name, for people; it may be empty."""
    owner: str
    """The username of its owner."""
    created_at: datetime
    """The time of its registration."""
    flow_pipeline_infos: list[PipelineInfo]
    """The pipelines that it is in, those that the caller may read, in the job's own order."""
    unlisted_pipelines: int | None = None
    """The number of pipelines beyond those, which the list of the job's has; absent if there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineInfo:
    """A pipeline that a job is in, as far as its caller may read it."""

    id: UUID
    """The id of the pipeline."""
    name: str
    """The name of the pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAnswer(Answer):
    """One job."""

    job: Job
    """The job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserList(Page):
    """Users by name."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    users: list[User]
    """The users, by username."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user; all but the name only for administrators."""

    username: str
    """The name of the user."""
    role: Role | None = None
    """Their role; only for administrators."""
    disabled: bool | None = None
    """True if all of their tokens are refused; only for administrators."""
    created_at: datetime | None = None
    """The time of their creation; only for administrators."""
    display_name: str | None = None
    """As people know them; None: none is known."""
    email: str | None = None
    """An address of theirs, which nobody has proved."""
    provisioned: bool | None = None
    """True if an identity provider manages them by SCIM, and alone changes them; else absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserAnswer(Answer):
    """One user."""

    user: User
    """The user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeAnswer(Answer):
    """The caller."""

    user: Me
    """The caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    """The caller, and the scopes of the token they call with; None: all that they may."""

    username: str
    """The name of the user."""
    role: Role | None = None
    """Their role; only for administrators."""
    disabled: bool | None = None
    """True if all of their tokens are refused; only for administrators."""
    created_at: datetime | None = None
    """The time of their creation; only for administrators."""
    display_name: str | None = None
    """As people know them; None: none is known."""
    email: str | None = None
    """An address of theirs, which nobody has proved."""
    provisioned: bool | None = None
    """True if an identity provider manages them by SCIM, and alone changes them; else absent."""
    groups: list[str]
    """The names of the groups that they are in."""
    unlisted_groups: int | None = None
    """The number of groups beyond those, by name; absent if there are none."""
    scopes: list[Scope] | None
    """What the token may do at most, of what its user may; None: all of it."""
    identity_provider: Provided | None = None
    """What an identity provider says of them; absent by a token of the service's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provided:
    """Claims of an identity provider about the caller: they count for calls by its token, and are stored nowhere."""

    issuer: str
    """The address of the identity provider."""
    groups: list[MappedGroup]
    """The groups that its claims are mapped to."""
    role: Role | None
    """The role that its claims are mapped to; None: none. The mightier of it and the user's counts."""
    role_mapped_from: str | None
    """The identity provider's own name of that role; None: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedGroup:
    """A group that a value of a claim is mapped to."""

    name: str
    """The name of the group."""
    mapped_from: str
    """The identity provider's own name of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserUpdated(Answer):
    """One user, and what they keep: told when they become a member, or grants are withdrawn from one."""

    user: User
    """The user."""
    keeps: list[KeptGrant] | None = None
    """What they keep: grants to them, and those that they made to groups of theirs, by pipeline; the first 1000; none to a token that may not read pipelines.
    """
    keeps_total: int | None = None
    """The number of grants that they keep, listed or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptGrant:
    """A grant that a user keeps who is a member now."""

    id: UUID
    """The id of the pipeline."""
    name: str
    """The name of the pipeline."""
    permissions: list[Permission]
    """What it grants."""
    is_manager: bool
    """True if it makes a manager."""
    expires_at: datetime | None
    """The time of its end; None: never."""
    group: str | None
    """The group of theirs that it is to; None: to the user."""
    by_themselves: bool
    """True if the audit trail says that they made it, or the pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupList(Page):
    """Groups by name."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    groups: list[Group]
    """The groups, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group; when it was made only for administrators."""

    name: str
    """The name of the group."""
    created_at: datetime | None = None
    """The time of its creation; only for administrators."""
    provisioned: bool | None = None
    """True if an identity provider manages it by SCIM, and alone changes it; else absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAnswer(Answer):
    """One group."""

    group: Group
    """The group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupGrantList(Page):
    """Grants to a group, expired ones too."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    grants: list[GroupGrant]
    """The grants, by the names of their pipelines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupGrant:
    """A grant to a group, with the pipeline that it is on."""

    pipeline: NamedPipeline
    """The pipeline that it is on."""
    permissions: list[Permission]
    """What it gives."""
    is_manager: bool
    """True if it makes a manager."""
    expires_at: datetime | None
    """The time of its end; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPipeline:
    """A pipeline by id and name."""

    id: UUID
    """The id of the pipeline."""
    name: str
    """The name of the pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberList(Page):
    """The members of a group, by name."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    members: list[Member]
    """The members, by username."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A user in a group, since when."""

    username: str
    """The username of the member."""
    created_at: datetime
    """The time since which they are in the group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersUpdated(Answer):
    """The users who came into a group by a change of its members, and those who went."""

    added: list[str]
    """The usernames of those who came."""
    removed: list[str]
    """The usernames of those who went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenList(Page):
    """Tokens, newest first."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    tokens: list[Token]
    """The tokens, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, without its secret; scopes None: all that the user may."""

    id: UUID
    """The id of the token, which is no secret."""
    username: str
    """The username of the user whose it is."""
    name: str
    """The name, for people; it may be empty."""
    created_at: datetime
    """The time of its creation."""
    last_used_at: datetime | None
    """The time of its last use, to a minute or so; None: never."""
    scopes: list[Scope] | None
    """What it may do at most, of what its user may; None: all of it."""
    expires_at: datetime | None
    """The time of its end; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken(Answer):
    """A token just made, and its secret, which is stored nowhere."""

    token: Token
    """The token, without its secret."""
    secret: str = field(repr=False)
    """The token itself, as it is sent; shown here and nowhere again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView(Answer):
    """One token, and how many would be revoked with it."""

    token: Token
    """The token, without its secret."""
    descendants: int
    """The number of good tokens made with it or with one of these, and what took its place; 10,000 if there are more.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked(Answer):
    """The number of tokens that were revoked."""

    revoked: int
    """The number of tokens that were revoked: this one, and those that went with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatedToken(Answer):
    """A token just made in the place of another."""

    token: Token
    """The token, without its secret."""
    secret: str = field(repr=False)
    """The token itself, as it is sent; shown here and nowhere again."""
    replaced: Replaced
    """The token whose place it has taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaced:
    """The token whose place another has taken."""

    id: UUID
    """The id of the token, which is no secret."""
    expires_at: datetime
    """The time until which it is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied(Answer):
    """The changes that a declared state has taken, or would take."""

    changes: list[Change]
    """In the order in which they are made; at most 2,000."""
    dry_run: bool
    """True if nothing was changed."""
    plan: str
    """The same for the same changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change."""

    action: str
    """As the audit trail has it, such as grant.set."""
    target: str
    """By its name, such as grant:Invoices/user:ada."""
    before: dict[str, Any] | None
    """None if it creates."""
    after: dict[str, Any] | None
    """None if it deletes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(Page):
    """The trail, newest first."""

    total_size: int | None = None
    """How many there are on all pages; only with total=true, up to 10,000."""
    total_size_at_least: int | None = None
    """In its place where there may be more: 10,000, as these are not counted, or as many as fit a search among the first 20,000.
    """
    audit: list[Entry]
    """The changes, newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change."""

    id: int
    """The number of the entry."""
    at: datetime
    """The time of the change."""
    actor: str
    """The username of the user who made it, as it was then, or `command line`."""
    token_id: UUID | None
    """The token by which it was made, or the link to an identity provider; None: at the command line."""
    action: str
    """The kind of change, such as `group.create`."""
    target: str
    """What was changed: its kind and name or id, as `job:4711`."""
    before: dict[str, Any] | None
    """What it was before; None if it was created."""
    after: dict[str, Any] | None
    """What it was after; None if it was deleted."""
    request_id: str | None
    """The request that made it, as the log has it; None if none did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof(Answer):
    """The proof of one entry: SHA-256 of a byte 0 and the leaf's UTF-8 leads by the path to the root (RFC 9162)."""

    id: int
    """The number of the entry."""
    leaf: str
    """The text of the entry that is sealed, as it is now."""
    leaf_hash: str
    """The hash of what was sealed, in hex."""
    leaf_index: int
    """The place of the entry in the tree, from 0."""
    tree_size: int
    """The number of entries in the tree."""
    inclusion_path: list[str]
    """The hashes beside the way to the root, from below, in hex."""
    seal: Seal
    """The seal whose root it leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The seal of an entry."""

    number: int
    """The number of the seal, from 1."""
    sealed_at: datetime
    """The time at which it was made."""
    root: str
    """The root of the tree over its entries, in hex."""
    previous: str
    """The chain up to the seal before, in hex."""
    chain: str
    """The chain up to this seal, in hex, as the log has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes(Answer):
    """The changes since a place."""

    changes: list[FeedChange]
    """The changes, those of one object in their order."""
    next_cursor: str
    """The place behind all that was looked at, as `after`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedChange:
    """One change."""

    cursor: str
    """The place behind this change, to be given as `after`."""
    at: datetime
    """The time of the change."""
    type: str
    """The kind of change, such as `job.pipelines_changed`; with `all`, also actions."""
    target: str
    """What was changed: its kind and name or id, as `job:4711`."""
    actor: str
    """The username of the user who made it, as it was then, or `command line`."""
    data: dict[str, Any]
    """More about it, by its type: of `job.pipelines_changed`, ids `added` and `removed`."""
    entry: Entry | None = None
    """The entry of the audit trail, as `GET /audit` has it; only with `all`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewAnswer(Answer):
    """The overview."""

    overview: Attention
    """What needs attention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """All that needs attention in an organization."""

    unexecuted_pipelines: Unexecuted
    """Pipelines that nobody but administrators can execute: none is granted to a user in service."""
    ending_grants: EndingGrants
    """Grants that end within a week."""
    unused_tokens: UnusedTokens
    """Tokens that could be used, and have not been for 90 days."""
    jobs_in_no_pipeline: LooseJobs
    """Jobs in no pipeline."""
    self_granted_managers: SelfGrantedManagers
    """Users who manage a pipeline by a grant that they were the last to set themselves."""
    queues: list[Queue]
    """The first 10: the queues whose first job has been in them longest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexecuted:
    """Pipelines that nobody is granted `execute` on."""

    total_size: int | None = None
    """How many there are."""
    total_size_at_least: int | None = None
    """In its place, where there are more than 10,000, or more than 50,000 to look at: how many were found."""
    pipelines: list[NamedPipeline]
    """The first 10: by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingGrants:
    """Grants that end within a week."""

    total_size: int | None = None
    """How many there are."""
    total_size_at_least: int | None = None
    """In its place, where there are more than 10,000, or more than 50,000 to look at: how many were found."""
    grants: list[EndingGrant]
    """The first 10: those that end first come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingGrant:
    """A grant that ends soon."""

    pipeline: NamedPipeline
    """The pipeline."""
    username: str | None
    """The user that it is to; or None."""
    group: str | None
    """The group that it is to; or None."""
    expires_at: datetime
    """The time of its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedTokens:
    """Tokens that could be used, and have not been for 90 days."""

    total_size: int | None = None
    """How many there are."""
    total_size_at_least: int | None = None
    """In its place, where there are more than 10,000, or more than 50,000 to look at: how many were found."""
    tokens: list[UnusedToken]
    """The first 10: the oldest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedToken:
    """A token that was not used for long."""

    id: UUID
    """The id of the token, which is no secret."""
    username: str
    """The username of the user whose it is."""
    name: str
    """The name, for people; it may be empty."""
    created_at: datetime
    """The time of its creation."""
    last_used_at: datetime | None
    """The time of its last use, to a minute or so; None: never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseJobs:
    """Jobs in no pipeline."""

    total_size: int | None = None
    """How many there are."""
    total_size_at_least: int | None = None
    """In its place, where there are more than 10,000, or more than 50,000 to look at: how many were found."""
    jobs: list[LooseJob]
    """The first 10: the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseJob:
    """A job in no pipeline."""

    id: str
    """The id of the job, as it was registered."""
    name: str
    """The name, for people; it may be empty."""
    owner: str
    """The username of its owner."""
    created_at: datetime
    """The time of its registration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfGrantedManagers:
    """Users who manage a pipeline by a grant of their own making."""

    total_size: int | None = None
    """How many there are."""
    total_size_at_least: int | None = None
    """In its place, where there are more than 10,000, or more than 50,000 to look at: how many were found."""
    managers: list[SelfGranted]
    """The first 10: each with the pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfGranted:
    """A user who has made themselves a manager of a pipeline."""

    username: str
    """The username of the user."""
    pipeline: NamedPipeline
    """The pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """The queue of a pipeline; the oldest of its jobs, if it has more than are counted."""

    total_size: int | None = None
    """How many there are."""
    total_size_at_least: int | None = None
    """In its place, where there are more than 10,000, or more than 50,000 to look at: how many were found."""
    pipeline: NamedPipeline
    """The pipeline."""
    oldest_at: datetime
    """The time since which its first job is in it."""
    ages: Ages
    """The jobs by how long they have been in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """The jobs of a queue by how long they have been in it."""

    under_a_day: int
    """Jobs that came within the last day."""
    under_a_week: int
    """Jobs that came a day ago or more, within a week."""
    under_a_month: int
    """Jobs that came a week ago or more, within 30 days."""
    longer: int
    """Jobs that came 30 days ago or more."""
