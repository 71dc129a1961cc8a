"""The locks of a declared state: on all that it is to change, ahead of its first change.

Each operation locks in one order (see repositories/__init__.py), but one after the other they would not: the second
one's pipeline comes behind the first one's users.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import UUID

from service.database.errors import ConcurrentDelete
from service.database.pool import Connection
from service.operations.call import Call
from service.repositories import apply_locks, organizations
from service.repositories.authority import PROVE, PROVE_FOR_GRANTEES
from service.schemas.grants import GrantInSet, ReplaceGrants
from service.schemas.groups import CreateGroup, GroupRef, UpdateMembers
from service.schemas.pipelines import CreatePipeline, DeletePipeline, UpdatePipeline
from service.values.ids import NO_ID
from service.values.names import name_key


@dataclass(slots=True)
class Concerned:
    """All that some changes concern, names by their keys."""

    organization: bool = False
    """True if pipelines or groups are made, or pipelines renamed or deleted."""
    pipelines: set[UUID] = field(default_factory=set)
    held: set[UUID] = field(default_factory=set)
    """The pipelines among them whose holders get new revisions."""
    groups: set[str] = field(default_factory=set)
    changed_groups: set[str] = field(default_factory=set)
    """The groups among them that change themselves."""
    deleted_groups: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)

    @classmethod
    def by(cls, request: Any, grants: Iterable[GrantInSet], *, renames: bool) -> Self:
        """Return what the request of a single change concerns; see `add`."""
        concerned = cls()
        concerned.add(request, grants, renames=renames)
        return concerned

    def add(self, request: Any, grants: Iterable[GrantInSet], *, renames: bool) -> None:
        """Add what the request of a single change concerns.

        Args:
            request: of the change.
            grants: those that differ, where it replaces grants.
            renames: True if it gives a pipeline another name.
        """
        match request:
            case CreateGroup() | CreatePipeline():
                self.organization = True
            case UpdatePipeline() | DeletePipeline() | ReplaceGrants():
                self.pipelines |= {request.pipeline_id} - {NO_ID}
                if renames or isinstance(request, DeletePipeline):
                    self.organization = True
                    self.held.add(request.pipeline_id)
            case UpdateMembers():
                self._change_group(request.name)
                self.users.update(name_key(each) for each in (*(request.add or ()), *(request.remove or ())))
            case GroupRef():
                self._change_group(request.name)
                self.deleted_groups.add(name_key(request.name))
        self.groups.update(name_key(each.group) for each in grants if each.group is not None)
        self.users.update(name_key(each.user) for each in grants if each.user is not None)

    def _change_group(self, name: str) -> None:
        self.groups.add(name_key(name))
        self.changed_groups.add(name_key(name))

    def covers(self, other: "Concerned") -> bool:
        """Return whether this has all that another has."""
        return (self.organization or not other.organization) and all(
            getattr(self, name) >= getattr(other, name)
            for name in ("pipelines", "held", "groups", "changed_groups", "deleted_groups", "users")
        )

    def within(self, locked: "Concerned") -> "Concerned":
        """Return this without pipelines that are not locked, and without the organization, if it is not."""
        organization = self.organization and locked.organization
        held = self.held & locked.pipelines if organization else set[UUID]()
        return replace(self, organization=organization, pipelines=self.pipelines & locked.pipelines, held=held)

    def require(self, other: "Concerned", made: set[UUID], caller: str) -> None:
        """Require that this, which is locked, has what a change concerns, but for the caller and pipelines just made.

        Raises:
            ConcurrentDelete: another transaction has changed what there is to be done, before all was locked.
        """
        other.pipelines -= made
        other.users.discard(name_key(caller))
        if not self.covers(other):
            raise ConcurrentDelete


async def lock_pipelines(call: Call, connection: Connection, concerned: Concerned) -> None:
    """Lock the pipelines of some changes, and then the organization, if it gets a new revision."""
    organization_id = call.caller.organization_id
    if concerned.pipelines:
        await apply_locks.lock_pipelines(connection, organization_id, [*concerned.pipelines])
    if concerned.organization:
        await organizations.lock(connection, organization_id)


async def lock_grantees(call: Call, connection: Connection, concerned: Concerned) -> None:
    """Lock the groups, the users and the token of some changes, whose pipelines are locked, and prove the caller.

    Raises:
        Unauthenticated, AuthorityChanged: as of `Call.prove`.
    """
    organization_id, held = call.caller.organization_id, [*concerned.held]
    groups: Sequence[UUID] = ()
    if concerned.groups or held:
        groups = await apply_locks.find_groups(connection, organization_id, [*concerned.groups], held)
    if concerned.changed_groups:
        # An administrator's: the proof locks no group of theirs beside.
        await apply_locks.lock_groups(connection, organization_id, groups)
    users = await apply_locks.find_users(
        connection, organization_id, [*concerned.users], [*concerned.deleted_groups], held
    )
    draws = bool(concerned.organization or groups or users)
    await (call.prove(connection, PROVE_FOR_GRANTEES, groups, users) if draws else call.prove(connection, PROVE))
