"""The meaning of entries of the audit trail as changes, for one caller: the rules of what they may be told.

What a caller may see is decided when it is sent, by what was looked up then. Of what is deleted nothing is left to look
up: its last entry has what went with it, and so who could see it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from service.identity import Caller
from service.permissions import READ, Role, may_see_job
from service.repositories.audit import Entry
from service.repositories.sight import JobNow
from service.values.ids import parse_uuid

Meaning = tuple[str, dict[str, Any]]
"""The type of a change, and its data."""


@dataclass(frozen=True, slots=True)
class Concerned:
    """The things that entries are about, as far as somebody's sight of them has to be looked up."""

    pipelines: set[UUID] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    """Names in lower case."""


class Sight(NamedTuple):
    """The sight that a caller has of the things that entries are about, as it was looked up."""

    caller: Caller
    granted: Mapping[UUID, int]
    """Accesses granted to them, by pipeline; those that are gone have no grants."""
    jobs: Mapping[str, JobNow]
    groups: Collection[str]
    """The groups that they are in, by names in lower case."""

    def reads(self, pipeline_id: UUID) -> bool:
        """Return whether they may read a pipeline; by their role every one, also one that is gone."""
        return self.caller.access(self.granted.get(pipeline_id, 0)) & READ != 0

    def readable(self, ids: Iterable[UUID]) -> list[UUID]:
        """Return those of some pipelines that they may read."""
        return [each for each in ids if self.reads(each)]

    def sees_job(self, job_id: str, owner: object, pipelines: Iterable[UUID] = ()) -> bool:
        """Return whether they see a job that was somebody's then, and may be somebody else's or gone now."""
        now = self.jobs.get(job_id)
        owns = now.owner_id == self.caller.user_id if now else self.is_caller(owner)
        concerned = [*pipelines, *(now.pipeline_ids if now else ())]
        granted = (self.caller.access(self.granted.get(each, 0)) for each in concerned)
        return may_see_job(self.caller, owns=owns, accesses=granted)

    def is_caller(self, name: object) -> bool:
        """Return whether a username is the caller's."""
        return isinstance(name, str) and name.lower() == self.caller.username.lower()


def concerned_by(entries: Iterable[Entry]) -> Concerned:
    """Return what has to be looked up before entries can be told."""
    concerned = Concerned()
    for entry in entries:
        kind, _, key = entry.target.partition(":")
        if kind == "job" and entry.action in _MEANINGS:
            if entry.action != "job.update_pipelines":
                concerned.jobs.add(key)
            concerned.pipelines.update(_ids(entry.before) + _ids(entry.after))
        elif kind in ("pipeline", "grant"):
            pipeline_id = parse_uuid(key.partition("/")[0])
            if pipeline_id is not None:
                concerned.pipelines.add(pipeline_id)
            grantees = [key.partition("/")[2], *(str(each.get("to")) for each in _objects(entry.before, "grants"))]
            concerned.groups.update(each[6:].lower() for each in grantees if each.startswith("group:"))
    return concerned


def tell(entry: Entry, sight: Sight) -> Meaning | None:
    """Return what an entry means to a caller; None if it is not theirs to know."""
    meaning = _MEANINGS.get(entry.action)
    return meaning(entry, sight) if meaning else None


def tell_all(entry: Entry, sight: Sight) -> Meaning:
    """Return what an entry means to an administrator who asks for every one: what it has if it is of no other type."""
    typed = tell(entry, sight) if not entry.action.startswith(_ABOUT_ACCESS) else None
    return typed or (entry.action, {"before": entry.before, "after": entry.after})


_ABOUT_ACCESS: Final = ("grant.", "group.", "user.")


def _job_moved(entry: Entry, sight: Sight) -> Meaning | None:
    before, after = _ids(entry.before), _ids(entry.after)
    added = sight.readable(each for each in after if each not in before)
    removed = sight.readable(each for each in before if each not in after)
    return ("job.pipelines_changed", {"added": added, "removed": removed}) if added or removed else None


def _job_created(entry: Entry, sight: Sight) -> Meaning | None:
    owner = _value(entry.after, "owner")
    seen = sight.sees_job(_key(entry), owner)
    return ("job.created", {"name": _value(entry.after, "name"), "owner": owner}) if seen else None


def _job_deleted(entry: Entry, sight: Sight) -> Meaning | None:
    owner = _value(entry.before, "owner")
    granted = (sight.caller.access(sight.granted.get(each, 0)) for each in _ids(entry.before))
    if not may_see_job(sight.caller, owns=sight.is_caller(owner), accesses=granted):
        return None
    return "job.deleted", {"name": _value(entry.before, "name"), "owner": owner}


def _pipeline(kind: str) -> Callable[[Entry, Sight], Meaning | None]:
    def tell_pipeline(entry: Entry, sight: Sight) -> Meaning | None:
        pipeline_id = parse_uuid(_key(entry))
        if pipeline_id is None or not sight.reads(pipeline_id):
            return None
        return kind, {"name": _value(entry.after, "name")}

    return tell_pipeline


def _pipeline_deleted(entry: Entry, sight: Sight) -> Meaning | None:
    """Tell those by whose role everything is seen, and those to whom it was granted; further entries have the rest."""
    name, caller = _value(entry.before, "name"), sight.caller
    if not caller.allows(READ):
        return None
    granted = any(_was_granted(each, entry.at, sight) for each in _objects(entry.before, "grants"))
    if not granted and (caller.role is Role.MEMBER or name is None):
        return None
    return "pipeline.deleted", {} if name is None else {"name": name}


def _was_granted(grant: Mapping[str, Any], at: datetime, sight: Sight) -> bool:
    kind, _, name = str(grant.get("to")).partition(":")
    theirs = sight.is_caller(name) if kind == "user" else name.lower() in sight.groups
    ended = grant.get("expires_at")
    return theirs and not (isinstance(ended, str) and datetime.fromisoformat(ended) <= at)


def _grant_changed(entry: Entry, sight: Sight) -> Meaning | None:
    """Tell whom it was granted to, unless their token may read no pipeline: it would tell of one that it hides."""
    if not sight.caller.allows(READ):
        return None
    pipeline_id, _, grantee = _key(entry).partition("/")
    kind, _, name = grantee.partition(":")
    theirs = sight.is_caller(name) if kind == "user" else name.lower() in sight.groups
    return ("access.changed", {"pipeline_id": pipeline_id}) if theirs else None


def _member_changed(entry: Entry, sight: Sight) -> Meaning | None:
    member = _value(entry.after, "member") or _value(entry.before, "member")
    return ("access.changed", {"group": _key(entry)}) if sight.is_caller(member) else None


def _group_deleted(entry: Entry, sight: Sight) -> Meaning | None:
    members = _value(entry.before, "members")
    theirs = isinstance(members, list) and any(map(sight.is_caller, members))
    return ("access.changed", {"group": _key(entry)}) if theirs else None


def _user_changed(entry: Entry, sight: Sight) -> Meaning | None:
    decided = ("role", "disabled")
    same = all(_value(entry.before, each) == _value(entry.after, each) for each in decided)
    if same or not sight.is_caller(_key(entry)):
        return None
    return "access.changed", {"role": _value(entry.after, "role")}


_MEANINGS: Final[Mapping[str, Callable[[Entry, Sight], Meaning | None]]] = {
    "job.update_pipelines": _job_moved,
    "job.create": _job_created,
    "job.delete": _job_deleted,
    "pipeline.create": _pipeline("pipeline.created"),
    "pipeline.update": _pipeline("pipeline.changed"),
    "pipeline.delete": _pipeline_deleted,
    "grant.set": _grant_changed,
    "grant.revoke": _grant_changed,
    "group.add_member": _member_changed,
    "group.remove_member": _member_changed,
    "group.delete": _group_deleted,
    "user.update": _user_changed,
}
"""The meanings of actions; the others are told to administrators alone."""


def _key(entry: Entry) -> str:
    return entry.target.partition(":")[2]


def _value(state: Any, name: str) -> Any:
    return state.get(name) if isinstance(state, dict) else None


def _ids(state: Any) -> list[UUID]:
    """Return the ids of pipelines in a state."""
    ids = _value(state, "pipeline_ids")
    return [found for each in ids if (found := parse_uuid(str(each)))] if isinstance(ids, list) else []


def _objects(state: Any, name: str) -> Sequence[Mapping[str, Any]]:
    found = _value(state, name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
