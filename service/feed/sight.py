"""The sight that a caller has of what entries of the audit trail are about, and the reading of their states."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from service.identity import Caller
from service.permissions import READ, Role, may_see_job
from service.repositories.audit import Entry
from service.repositories.sight import JobNow
from service.values.ids import parse_uuid


@dataclass(frozen=True, slots=True)
class Concerned:
    """The things that entries are about, as far as somebody's sight of them has to be looked up."""

    pipelines: set[UUID] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)
    groups: set[UUID | str] = field(default_factory=set)
    """Ids; and names in lower case, where an entry has no id."""

    def add_grantee(self, kind: str, key: UUID | str) -> None:
        """Add whom a grant is to, if it is a group."""
        if kind == "group":
            self.groups.add(key)


class Sight(NamedTuple):
    """The sight that a caller has of the things that entries are about, as it was looked up."""

    caller: Caller
    granted: Mapping[UUID, int]
    """Accesses granted to them, by pipeline; those that are gone have no grants."""
    jobs: Mapping[str, JobNow]
    groups: Mapping[UUID | str, datetime]
    """The groups that they are in, by ids and by names in lower case, and since when."""

    def reads(self, pipeline_id: UUID) -> bool:
        """Return whether they may read a pipeline; by their role every one, also one that is gone."""
        return self.caller.access(self.granted.get(pipeline_id, 0)) & READ != 0

    def readable(self, ids: Iterable[UUID]) -> list[UUID]:
        """Return those of some pipelines that they may read."""
        if self.caller.role is not Role.MEMBER:  # of thousands of ids, none is looked at
            return [*ids] if self.caller.access(0) & READ else []
        return [each for each in ids if self.reads(each)]

    def sees_job(self, job_id: str, owner: object, at: datetime) -> bool:
        """Return whether they see a job that was somebody's at a time, and may be somebody else's or gone now.

        A younger job has got the id of one that is gone: who sees it need not have seen the other.
        """
        now = self.jobs.get(job_id)
        if now is None or now.created_at > at:
            return may_see_job(self.caller, owns=self.is_caller(owner), accesses=())
        granted = (self.caller.access(self.granted.get(each, 0)) for each in now.pipeline_ids)
        return may_see_job(self.caller, owns=now.owner_id == self.caller.user_id, accesses=granted)

    def is_caller(self, name: object) -> bool:
        """Return whether a username is the caller's."""
        return isinstance(name, str) and name.lower() == self.caller.username.lower()

    def is_granted(self, kind: str, key: UUID | str, at: datetime) -> bool:
        """Return whether a grant was theirs at a time: to them, or to a group that they are in, and were in then.

        What a group was granted before they joined it, on a pipeline that may be hidden from them, is not theirs.
        """
        if kind == "group":
            joined_at = self.groups.get(key)
            return joined_at is not None and joined_at <= at
        return key == self.caller.user_id if isinstance(key, UUID) else self.is_caller(key)


def grantee(to: str, state: object) -> tuple[str, UUID | str]:
    """Return whom a grant is to: user or group, with the id or else the name in lower case.

    Names are given to others in time, but for those of users, which no call changes. Entries that were written before
    there were ids in them have names alone.

    Args:
        to: the grantee as entries name them, kind:name.
        state: of the grant.
    """
    kind, _, name = to.partition(":")
    return kind, parse_uuid(str(value(state, "to_id"))) or name.lower()


def key_of(target: str) -> str:
    """Return the key of a target, which is kind:key."""
    return target.partition(":")[2]


def value(state: object, name: str) -> Any:
    """Return a field of a state; None if it has none of that name."""
    return state.get(name) if isinstance(state, dict) else None


def objects(state: object, name: str) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a list in a state."""
    found = value(state, name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def ids(state: object) -> list[UUID]:
    """Return the ids of pipelines in a state."""
    return _parsed(_texts(state))


def moved_ids(entry: Entry) -> tuple[list[UUID], list[UUID]]:
    """Return the ids of the pipelines that a job has come to, and of those that it has left.

    Those of both states are compared as the texts that they are there: a job is in a thousand, most of which stay.
    """
    before, after = _texts(entry.before), _texts(entry.after)
    stayed = {*before} & {*after}
    return _parsed(each for each in after if each not in stayed), _parsed(each for each in before if each not in stayed)


def _texts(state: object) -> list[str]:
    found = value(state, "pipeline_ids")
    return [*map(str, found)] if isinstance(found, list) else []


def _parsed(texts: Iterable[str]) -> list[UUID]:
    return [each for text in texts if (each := parse_uuid(text))]


def things_in(entry: Entry) -> int:
    """Return the number of things that the lists of an entry's states name, and one for the entry itself."""
    states = (state for state in (entry.before, entry.after) if isinstance(state, dict))
    return 1 + sum(len(each) for state in states for each in state.values() if isinstance(each, list))
