"""The terms of the permission table: what calls are about, the kinds of callers, and the verdicts on them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from service.permissions import (
    DELETE,
    EXECUTE,
    FULL_ACCESS,
    MANAGE_PIPELINES,
    MANAGER,
    READ,
    WRITE,
    Role,
)


class Verdict(StrEnum):
    """An outcome of a call, as far as authority decides it; the values are the words of the printed table."""

    ALLOWED = "yes"
    NAMES = "names"
    """Answered, with nothing but names."""
    LEFT_OUT = "left out"
    """Answered, without the object."""
    DENIED = "no"
    """403 PERMISSION_DENIED."""
    NARROW = "insufficient scope"
    """403 PERMISSION_DENIED, with a challenge that names scopes which the token lacks."""
    HIDDEN = "hidden"
    """404 NOT_FOUND, as if there were no such object."""
    TAKEN = "taken"
    """409 ALREADY_EXISTS: the id is somebody else's."""


class Ownership(StrEnum):
    """A relation of an object to the caller, whatever was granted to them."""

    OTHERS = "others"
    OWN = "own"
    """Their job, their token, or the user that they are."""
    ITSELF = "itself"
    """The token that the call comes with."""
    MAKER = "maker"
    """The token that the one of the call was made with."""


class Situation(NamedTuple):
    """A caller, as far as verdicts depend on them and not on their token's scopes."""

    role: Role
    granted: int = 0
    """The access granted to them on the pipeline that the call is about, or that the job is in."""
    ownership: Ownership = Ownership.OTHERS
    outside: bool = False
    """True if the object is of another organization than the caller."""


class CallerKind(StrEnum):
    """A kind of caller: the situations in which the table knows no difference."""

    NO_GRANT = "no grant"
    READER = "read"
    EXECUTOR = "execute"
    WRITER = "write"
    DELETER = "delete"
    GRANTER = "manage_pipelines"
    MANAGER = "manager"
    MEMBER = "member"
    PIPELINE_ADMIN = "pipeline administrator"
    ADMIN = "administrator"
    OWNER = "owner"
    OWNING_READER = "owner, read"
    OWNING_ADMIN = "owner, administrator"
    SELF = "the user themself"
    ITSELF = "calls with it"
    MADE_WITH = "calls with one made with it"
    OUTSIDER = "other organization"
    OUTSIDE_ADMIN = "other organization's administrator"


GRANTED: Final[Mapping[CallerKind, int]] = {
    CallerKind.NO_GRANT: 0,
    CallerKind.READER: READ,
    CallerKind.EXECUTOR: READ | EXECUTE,
    CallerKind.WRITER: READ | WRITE,
    CallerKind.DELETER: READ | DELETE,
    CallerKind.GRANTER: READ | MANAGE_PIPELINES,
    CallerKind.MANAGER: FULL_ACCESS,
}
"""The access that makes a member's kind on a pipeline."""

_OF_ROLE: Final = {
    Role.MEMBER: CallerKind.MEMBER,
    Role.PIPELINE_ADMIN: CallerKind.PIPELINE_ADMIN,
    Role.ADMIN: CallerKind.ADMIN,
}


def _of_role(caller: Situation) -> CallerKind:
    return _OF_ROLE[caller.role]


def _outside(caller: Situation) -> CallerKind:
    return CallerKind.OUTSIDE_ADMIN if caller.role is Role.ADMIN else CallerKind.OUTSIDER


def _on_pipeline(caller: Situation) -> CallerKind:
    if caller.outside:
        return CallerKind.OUTSIDER
    if caller.role is not Role.MEMBER:
        return _of_role(caller)
    return next(kind for kind, access in GRANTED.items() if access == caller.granted)


def _on_job(caller: Situation) -> CallerKind:
    if caller.outside:
        return _outside(caller)
    if caller.ownership is Ownership.OWN:
        if caller.role is Role.ADMIN:
            return CallerKind.OWNING_ADMIN
        reads = caller.granted or caller.role is not Role.MEMBER
        return CallerKind.OWNING_READER if reads else CallerKind.OWNER
    if caller.role is not Role.MEMBER:
        return _of_role(caller)
    if caller.granted & (EXECUTE | MANAGER):
        return CallerKind.EXECUTOR
    return CallerKind.READER if caller.granted else CallerKind.NO_GRANT


def _on_job_in_none(caller: Situation) -> CallerKind:
    without_grants = {CallerKind.NO_GRANT: CallerKind.MEMBER, CallerKind.OWNING_READER: CallerKind.OWNER}
    kind = _on_job(caller)
    return without_grants.get(kind, kind)


def _on_directory(caller: Situation) -> CallerKind:
    return _outside(caller) if caller.outside else _of_role(caller)


def _on_account(caller: Situation) -> CallerKind:
    return CallerKind.SELF if caller.ownership is Ownership.OWN else _on_directory(caller)


def _on_token(caller: Situation) -> CallerKind:
    of_ownership = {
        Ownership.OWN: CallerKind.OWNER,
        Ownership.ITSELF: CallerKind.ITSELF,
        Ownership.MAKER: CallerKind.MADE_WITH,
    }
    return of_ownership.get(caller.ownership) or _on_directory(caller)


_EVERY_ROLE: Final = (*Role,)
_OUTSIDE: Final = tuple(Situation(role, outside=True) for role in _EVERY_ROLE)
_BY_ROLE: Final = tuple(Situation(role) for role in _EVERY_ROLE)
_OWN_BY_ROLE: Final = tuple(Situation(role, ownership=Ownership.OWN) for role in _EVERY_ROLE)
_BY_GRANT: Final = (
    *(Situation(Role.MEMBER, granted) for granted in GRANTED.values()),
    *(Situation(role, granted) for role in (Role.PIPELINE_ADMIN, Role.ADMIN) for granted in (0, FULL_ACCESS)),
)


@dataclass(frozen=True, slots=True)
class ObjectType:
    """A type of object that calls are about, and the kinds of callers that matter there."""

    title: str
    explanation: str
    kind_of: Callable[[Situation], CallerKind] = field(repr=False)
    situations: tuple[Situation, ...] = field(repr=False)
    """One of each that may differ by role, grant or ownership, whether or not the table knows a difference."""

    @property
    def kinds(self) -> tuple[CallerKind, ...]:
        """The kinds of its callers, in the order of columns."""
        return tuple(dict.fromkeys(self.kind_of(situation) for situation in self.situations))


ORGANIZATION: Final = ObjectType(
    "The organization",
    "Calls that are about nothing that is there already. By role; each acts in their own organization.",
    _of_role,
    _BY_ROLE,
)
PIPELINE: Final = ObjectType(
    "A pipeline",
    "By what is granted to a member, or to their groups, on that pipeline: any grant includes `read`, a manager holds"
    " all five. Administrators and pipeline administrators act as managers, whatever they are granted.",
    _on_pipeline,
    (*_BY_GRANT, *_OUTSIDE),
)
JOB: Final = ObjectType(
    "A job that is in a pipeline",
    "By ownership first, then by role, then by what is granted on the pipeline that the job is in: `execute` or all"
    " (*execute*), anything else (*read*), or nothing (*no grant*). Owners who may read that pipeline, also as pipeline"
    " administrators, are told apart (*owner, read*).",
    _on_job,
    (
        *_OWN_BY_ROLE,
        *(Situation(Role.MEMBER, granted, Ownership.OWN) for granted in (READ, FULL_ACCESS)),
        *_BY_GRANT,
        *_OUTSIDE,
    ),
)
JOB_IN_NONE: Final = ObjectType(
    "A job that is in no pipeline",
    "No grant leads to it: only its owner and administrators see it.",
    _on_job_in_none,
    (*_OWN_BY_ROLE, *_BY_ROLE, *_OUTSIDE),
)
USER: Final = ObjectType(
    "A user",
    "By role, for another user and for the caller themself alike.",
    _on_directory,
    (*_BY_ROLE, *_OWN_BY_ROLE, *_OUTSIDE),
)
GROUP: Final = ObjectType(
    "A group", "By role; members of the group are no exception.", _on_directory, _BY_ROLE + _OUTSIDE
)
ACCOUNT: Final = ObjectType(
    "A user's tokens",
    "By whose they are. No token may more than the one that it is made with.",
    _on_account,
    (*_OWN_BY_ROLE, *_BY_ROLE, *_OUTSIDE),
)
REACH: Final = ObjectType(
    "What a user can reach",
    "By whose it is; theirs as a token without scopes has it, whatever they call with.",
    _on_account,
    (*_OWN_BY_ROLE, *_BY_ROLE, *_OUTSIDE),
)
TOKEN: Final = ObjectType(
    "A token",
    "By whose it is, and by the token that the call comes with: any of its owner's, itself, or one that was made with"
    " it.",
    _on_token,
    (
        *(Situation(role, 0, each) for each in (Ownership.OWN, Ownership.ITSELF, Ownership.MAKER) for role in Role),
        *_BY_ROLE,
        *_OUTSIDE,
    ),
)

OBJECT_TYPES: Final = (ORGANIZATION, PIPELINE, JOB, JOB_IN_NONE, USER, GROUP, REACH, ACCOUNT, TOKEN)


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict for tokens without scopes, and what a token with scopes must have for that."""

    verdict: Verdict
    without: Mapping[int, Verdict] = field(default_factory=dict)
    """The verdict on a token that lacks a scope, by its bit, or lacks each of several: the first that holds decides."""

    def on(self, scopes: int | None) -> tuple[Verdict, int | None]:
        """Return the verdict on a token with such scopes (None: without any), and the scopes that it is for want of."""
        if scopes is not None:
            for lacking, verdict in self.without.items():
                if not scopes & lacking:
                    return verdict, lacking
        return self.verdict, None

    @property
    def scopes(self) -> int:
        """The scopes that a token needs, and no others."""
        return sum(lacking for lacking in self.without if lacking.bit_count() == 1)


@dataclass(frozen=True)
class Act:
    """A row of the table: one thing to do by one or more operations, and the decision for each kind of caller.

    Attributes:
        title: what is done, as in "may they …".
        operations: those that do it.
        about: the object that kinds of callers are told apart by.
        decisions: one for each kind.
    """

    title: str
    operations: tuple[Callable[..., Awaitable[Any]], ...]
    about: ObjectType
    decisions: Mapping[CallerKind, Decision]

    def __post_init__(self) -> None:
        """Refuse a row with cells that nothing decides.

        Raises:
            ValueError: a kind of caller lacks a decision, or one is decided that calls of that type do not know.
        """
        if different := {*self.about.kinds} ^ {*self.decisions}:
            raise ValueError(f"{self.title}: {', '.join(sorted(different))} must be decided just where there are such.")

    def decision(self, caller: Situation) -> Decision:
        """Return the decision for a caller."""
        return self.decisions[self.about.kind_of(caller)]
