"""Changes as they are sent: what is looked up for callers at that moment, and what they are told by it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from service.database.pool import Connection
from service.feed.cursor import Cursor
from service.feed.meaning import concern, tell, tell_all
from service.feed.sight import Concerned, Sight, things_in
from service.identity import Caller
from service.permissions import Role
from service.repositories import sight
from service.repositories.audit import Entry
from service.repositories.sight import JobNow
from service.schemas.changes import Change
from service.values.instants import FIRST


class LookedUp(NamedTuple):
    """The sight that some users of an organization have of what some entries are about."""

    jobs: Mapping[str, JobNow]
    granted: Mapping[UUID, Mapping[UUID, int]]
    """Accesses granted, by user and pipeline."""
    groups: Mapping[UUID, Mapping[UUID | str, datetime]]
    """The groups that users are in, and since when, of those that the entries are about: by ids and names."""
    of_groups: Mapping[UUID, Mapping[UUID, int]]
    """Accesses granted, by group and pipeline, of groups that an identity provider's claims are mapped to."""

    def sight(self, caller: Caller) -> Sight:
        """Return what one of them sees, by the token that they call with."""
        granted, groups = self.granted.get(caller.user_id, {}), {**self.groups.get(caller.user_id, {})}
        if caller.provided is None or not caller.provided.groups:
            return Sight(caller, granted, self.jobs, groups)
        merged = {**granted}
        for mapped in caller.provided.groups:
            groups |= {mapped.id: FIRST, mapped.name.lower(): FIRST}  # since when is nowhere stored
            for pipeline_id, access in self.of_groups.get(mapped.id, {}).items():
                merged[pipeline_id] = merged.get(pipeline_id, 0) | access
        return Sight(caller, merged, self.jobs, groups)


async def look_up(
    connection: Connection, organization_id: UUID, callers: Sequence[Caller], entries: Sequence[Entry]
) -> LookedUp:
    """Look up what callers of one organization may see of what entries are about, in as few statements as it takes."""
    concerned = Concerned()
    pace = _Pace()
    for entry in entries:
        concern(entry, concerned)
        await pace.behind(entry)
    users = [*{caller.user_id for caller in callers}]
    jobs: Mapping[str, JobNow] = {}
    granted: Mapping[UUID, Mapping[UUID, int]] = {}
    groups: Mapping[UUID, Mapping[UUID | str, datetime]] = {}
    of_groups: Mapping[UUID, Mapping[UUID, int]] = {}
    if concerned.jobs:
        jobs = await sight.find_jobs(connection, organization_id, concerned.jobs)
        concerned.pipelines.update(each for job in jobs.values() for each in job.pipeline_ids)
    members = [*{caller.user_id for caller in callers if caller.role is Role.MEMBER}]
    if concerned.pipelines and members:
        granted = await sight.list_granted(connection, organization_id, members, concerned.pipelines)
    mapped = {group.id for caller in callers if caller.provided for group in caller.provided.groups}
    if concerned.pipelines and mapped:
        of_groups = await sight.list_granted_to_groups(connection, organization_id, mapped, concerned.pipelines)
    if concerned.groups:
        ids = {each for each in concerned.groups if isinstance(each, UUID)}
        names = {each for each in concerned.groups if isinstance(each, str)}
        groups = await sight.list_groups(connection, organization_id, users, ids, names)
    return LookedUp(jobs, granted, groups, of_groups)


_AT_ONCE: Final = 100
"""Changes that are made at once, of some 30 µs each, before the event loop goes on with everything else."""
_THINGS_AT_ONCE: Final = 1_000
"""Things of entries that are looked at meanwhile, of some 3 µs each: what is not told takes time as well."""


class _Pace:
    """Lets the event loop go on with everything else between entries that name many things."""

    def __init__(self) -> None:
        self._things = 0

    async def behind(self, entry: Entry) -> None:
        """Note that an entry was looked at."""
        self._things += things_in(entry)
        if self._things >= _THINGS_AT_ONCE:
            self._things = 0
            await asyncio.sleep(0)


async def tell_each(
    entries: Sequence[Entry], seen: Sight, place: Cursor, *, every: bool, limit: int | None = None
) -> list[Change]:
    """Return what entries mean to a caller, each with the place behind it.

    Args:
        entries: by id.
        seen: what the caller may see of what they are about.
        place: the one at which they were read.
        every: whether the caller, an administrator, has asked for every entry.
        limit: the number of changes after which there need be no more; None: all of them.
    """
    changes, organization_id = list[Change](), seen.caller.organization_id
    pace = _Pace()
    for entry in entries:
        found = tell_all(entry, seen) if every else tell(entry, seen)
        await pace.behind(entry)
        for told in found:
            if place.is_behind(entry.id, told.number):
                continue
            behind = place.behind(entry.id) if told is found[-1] else place.within(entry.id, told.number)
            whole = entry if every else None
            written = behind.write(organization_id)
            changes.append(Change(written, entry.at, told.type, told.target, entry.actor, told.data, whole))
            if len(changes) == limit:
                return changes
            if len(changes) % _AT_ONCE == 0:
                await asyncio.sleep(0)
    return changes
