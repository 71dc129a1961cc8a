"""The meaning of entries of the audit trail as changes, for one caller: the rules of what they may be told.

What a caller may see is decided when it is sent, by what was looked up then. Of what is deleted nothing is left to look
up: its last entry has what went with it, and so who could see it.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import chain
from typing import Any, Final
from uuid import UUID

from service.feed.imported import IMPORTS
from service.feed.sight import Concerned, Sight, grantee, ids, key_of, moved_ids, objects, value
from service.feed.told import Told
from service.permissions import READ, Role, may_see_job
from service.repositories.audit import Entry
from service.values.ids import parse_uuid

Meaning = tuple[str, dict[str, Any]]
"""The type of a change, and its data."""


def concern(entry: Entry, concerned: Concerned) -> None:
    """Add what has to be looked up before an entry can be told."""
    kind, _, key = entry.target.partition(":")
    if kind == "job" and entry.action in _MEANINGS:
        if entry.action == "job.update_pipelines":
            concerned.pipelines.update(chain(*moved_ids(entry)))
        else:
            concerned.jobs.add(key)
            concerned.pipelines.update(ids(entry.before) + ids(entry.after))
    elif kind in ("pipeline", "grant"):
        pipeline_id = parse_uuid(key.partition("/")[0])
        if pipeline_id is not None:
            concerned.pipelines.add(pipeline_id)
        concerned.add_grantee(*_grantee(entry))
        for each in objects(entry.before, "grants"):
            concerned.add_grantee(*grantee(str(each.get("to")), each))
    elif entry.action in IMPORTS:
        IMPORTS[entry.action].concern(entry, concerned)


def tell(entry: Entry, sight: Sight) -> list[Told]:
    """Return what an entry means to a caller: nothing if it is not theirs to know, and of an import perhaps much."""
    if entry.action in IMPORTS:
        return IMPORTS[entry.action].tell(entry, sight)
    meaning = _MEANINGS.get(entry.action)
    found = meaning(entry, sight) if meaning else None
    return [Told(entry.target, *found)] if found else []


def tell_all(entry: Entry, sight: Sight) -> list[Told]:
    """Return what an entry means to an administrator who asks for every one: what it has if it is of no other type."""
    typed = tell(entry, sight) if not entry.action.startswith(_NOT_OF_A_TYPE) else None
    return typed or [Told(entry.target, entry.action, {"before": entry.before, "after": entry.after})]


_NOT_OF_A_TYPE: Final = ("grant.", "group.", "user.", "import.")
"""The actions about somebody's own access, and those about many things at once."""


def _job_moved(entry: Entry, sight: Sight) -> Meaning | None:
    added, removed = map(sight.readable, moved_ids(entry))
    return ("job.pipelines_changed", {"added": added, "removed": removed}) if added or removed else None


def _job_created(entry: Entry, sight: Sight) -> Meaning | None:
    owner = value(entry.after, "owner")
    seen = sight.sees_job(key_of(entry.target), owner, entry.at)
    return ("job.created", {"name": value(entry.after, "name"), "owner": owner}) if seen else None


def _job_deleted(entry: Entry, sight: Sight) -> Meaning | None:
    owner = value(entry.before, "owner")
    granted = (sight.caller.access(sight.granted.get(each, 0)) for each in ids(entry.before))
    if not may_see_job(sight.caller, owns=sight.is_caller(owner), accesses=granted):
        return None
    return "job.deleted", {"name": value(entry.before, "name"), "owner": owner}


def _pipeline(kind: str) -> Callable[[Entry, Sight], Meaning | None]:
    def tell_pipeline(entry: Entry, sight: Sight) -> Meaning | None:
        pipeline_id = parse_uuid(key_of(entry.target))
        if pipeline_id is None or not sight.reads(pipeline_id):
            return None
        return kind, {"name": value(entry.after, "name")}

    return tell_pipeline


def _pipeline_deleted(entry: Entry, sight: Sight) -> Meaning | None:
    """Tell those by whose role everything is seen, and those to whom it was granted; further entries have the rest."""
    name, caller = value(entry.before, "name"), sight.caller
    if not caller.allows(READ):
        return None
    granted = any(_was_granted(each, entry.at, sight) for each in objects(entry.before, "grants"))
    if not granted and (caller.role is Role.MEMBER or name is None):
        return None
    return "pipeline.deleted", {} if name is None else {"name": name}


def _was_granted(grant: Mapping[str, Any], at: datetime, sight: Sight) -> bool:
    ended = grant.get("expires_at")
    past = isinstance(ended, str) and datetime.fromisoformat(ended) <= at
    return sight.is_granted(*grantee(str(grant.get("to")), grant), at) and not past


def _grant_changed(entry: Entry, sight: Sight) -> Meaning | None:
    """Tell whom it was granted to, unless their token may read no pipeline: it would tell of one that it hides."""
    if not sight.caller.allows(READ) or not sight.is_granted(*_grantee(entry), entry.at):
        return None
    return "access.changed", {"pipeline_id": key_of(entry.target).partition("/")[0]}


def _grantee(entry: Entry) -> tuple[str, UUID | str]:
    return grantee(key_of(entry.target).partition("/")[2], entry.after or entry.before)


def _member_changed(entry: Entry, sight: Sight) -> Meaning | None:
    member = value(entry.after, "member") or value(entry.before, "member")
    return ("access.changed", {"group": key_of(entry.target)}) if sight.is_caller(member) else None


def _group_deleted(entry: Entry, sight: Sight) -> Meaning | None:
    members = value(entry.before, "members")
    theirs = isinstance(members, list) and any(map(sight.is_caller, members))
    return ("access.changed", {"group": key_of(entry.target)}) if theirs else None


def _user_changed(entry: Entry, sight: Sight) -> Meaning | None:
    decided = ("role", "disabled")
    same = all(value(entry.before, each) == value(entry.after, each) for each in decided)
    if same or not sight.is_caller(key_of(entry.target)):
        return None
    return "access.changed", {"role": value(entry.after, "role")}


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
