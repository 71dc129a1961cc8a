"""The rules of access: what a holder of a role and scopes may do, by what was granted."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from service.errors import NotFound, PermissionDenied
from service.permissions.bits import (
    EVERY_PERMISSION,
    EXECUTE,
    FULL_ACCESS,
    MANAGE_PIPELINES,
    MANAGER,
    PERMISSION_BITS,
    PERMISSION_NAMES,
    READ,
    SCOPE_ADMIN,
    SCOPE_SCIM,
    GrantedAccess,
    Role,
    effective,
    is_manager,
    permission_names,
    scope_names,
    union,
)
from service.values.instants import FIRST, written


@dataclass(slots=True)
class Holder:
    """A role in the organization, cut down by a token's scopes (None: not at all), that access is asked for.

    Never changed; but not frozen, as every request makes one, and making a frozen one takes three times as long.
    """

    role: Role
    scopes: int | None

    def access(self, granted: int) -> int:
        """Return this holder's access to a pipeline on which they were granted that much."""
        return effective(self.role, self.scopes, granted)

    def accesses(self) -> Sequence[int]:
        """Return what `access` gives for each access that can be granted, up to FULL_ACCESS: for long lists."""
        return _accesses(self.role, self.scopes)

    @property
    def sees_every_job(self) -> bool:
        """True for an administrator, who sees the jobs of the organization, pipelines or not."""
        return self.administers and self.allows(READ)

    @property
    def administers(self) -> bool:
        """True for an administrator, by a token whose scopes, if it has any, include "admin".

        By any other token an administrator is no more than a manager of every pipeline, as far as its scopes go.
        """
        return self.role is Role.ADMIN and self.allows(SCOPE_ADMIN)

    def allows(self, permission: int) -> bool:
        """Return whether the token's scopes leave room for a permission, however it is granted."""
        return self.scopes is None or self.scopes & permission == permission


@lru_cache(maxsize=1024)  # of each role by each set of scopes there are fewer
def _accesses(role: Role, scopes: int | None) -> Sequence[int]:
    return [effective(role, scopes, granted) for granted in range(FULL_ACCESS + 1)]


def may_see_job(holder: Holder, *, owns: bool, accesses: Iterable[int]) -> bool:
    """Return whether a job is visible: to its owner, to administrators, and to readers of one of its pipelines.

    Args:
        holder: of the call.
        owns: whether the holder is the job's owner.
        accesses: the holder's effective access to each of the job's pipelines.
    """
    return owns or holder.sees_every_job or any(access & READ for access in accesses)


def check_update(holder: Holder, *, owns: bool, current: Mapping[UUID, int], wanted: Mapping[UUID, int | None]) -> None:
    """Check that the whole set of pipelines of a visible job may be replaced.

    Each pipeline added needs execute. Each removed needs it too, unless the holder owns the job, for whom it is enough
    that the token's scopes allow it. One kept needs read, as the answer names it.

    Args:
        holder: of the call.
        owns: whether they own the job.
        current: what was granted to them on each pipeline the job is in.
        wanted: the same for each it is to be in; None for one that does not exist.

    Raises:
        NotFound: a pipeline does not exist, or the holder may not read it.
        PermissionDenied: they may read it, but not execute.
    """
    added = [(pipeline_id, granted) for pipeline_id, granted in wanted.items() if pipeline_id not in current]
    removed = [(pipeline_id, granted) for pipeline_id, granted in current.items() if pipeline_id not in wanted]
    for pipeline_id, granted in wanted.items():
        require_visible(holder, granted, pipeline_id)
    owner_removes = owns and holder.allows(EXECUTE)  # also what they can't see any more; else not even its id is told
    if not owner_removes and any(not holder.access(granted) & READ for _, granted in removed):
        raise NotFound(
            "The job is in a pipeline that you may not see, so you may not replace its whole set: its owner or an"
            " administrator may."
        )
    for pipeline_id, granted in added:
        require(holder, EXECUTE, granted or 0, f"put jobs into pipeline {pipeline_id}")
    for pipeline_id, granted in removed:
        require(holder, EXECUTE, FULL_ACCESS if owns else granted, f"take jobs out of pipeline {pipeline_id}")


@dataclass(frozen=True, slots=True)
class Preauthorization:
    """The conditions under which an update of a job is allowed, decided before the job is read."""

    pipelines: frozenset[UUID] | None
    """The job is the caller's, or is in some pipelines and only in these. None: any job of the organization."""


def executable_pipelines(holder: Holder, granted: Mapping[UUID, int]) -> frozenset[UUID]:
    """Return the pipelines that a holder sees and may execute, given what was granted to them on each."""
    both = READ | EXECUTE
    return frozenset(key for key, access in granted.items() if holder.access(access) & both == both)


def preauthorize_update(
    holder: Holder, executable: frozenset[UUID], wanted: Collection[UUID]
) -> Preauthorization | None:
    """Return the conditions under which an update is allowed whatever the job; None if the job must be read.

    Where they hold, check_update() and may_see_job() let the update pass; a property test holds them to that.

    Args:
        holder: of the call.
        executable: what executable_pipelines() gives for a member; other roles, managers of every pipeline, need none.
        wanted: the pipelines that the job is to be in.
    """
    if not holder.allows(READ | EXECUTE):
        return None
    if holder.administers:
        return Preauthorization(None)
    if holder.role is not Role.MEMBER:
        return Preauthorization(frozenset())  # jobs of others they see only where these are: they must be seen first
    return Preauthorization(executable) if executable.issuperset(wanted) else None


def require(holder: Holder, permission: int, granted: int, what: str) -> None:
    """Require a permission on a pipeline.

    Args:
        granted: what was granted to the holder on that pipeline.
        what: what they want to do there, as the rest of "You may not …".

    Raises:
        PermissionDenied: they do not; with a challenge of insufficient scope if only the token's scopes forbid it.
    """
    if holder.access(granted) & permission:
        return
    name = PERMISSION_NAMES[permission]
    if effective(holder.role, None, granted) & permission:
        raise PermissionDenied.insufficient_scope(f"You may not {what}: the token's scopes lack {name}.", [name])
    raise PermissionDenied(f"You may not {what}: that takes {name}.")


def require_visible(holder: Holder, granted: int | None, pipeline_id: UUID) -> int:
    """Return the holder's access to a pipeline on which they were granted that much (None: it does not exist).

    Raises:
        NotFound: it does not exist, or they may not read it.
    """
    access = 0 if granted is None else holder.access(granted)
    if not access & READ:
        raise NotFound(f"Pipeline {pipeline_id} does not exist, or you may not see it.")
    return access


def require_administrator(holder: Holder, what: str) -> None:
    """Require an administrator, by a token whose scopes, if it has any, include "admin".

    Raises:
        PermissionDenied: it is somebody else; what they may not do is the rest of the sentence.
    """
    if holder.role is not Role.ADMIN:
        raise PermissionDenied.administration(f"You may not {what}: that takes an administrator.")
    require_scope(holder, SCOPE_ADMIN, "admin", what)


def require_provisioning(holder: Holder, what: str) -> None:
    """Require an administrator, by a token whose scopes, if it has any, include "scim"; it needs no other.

    Raises:
        PermissionDenied: it is somebody else; what they may not do is the rest of the sentence.
    """
    if holder.role is not Role.ADMIN:
        raise PermissionDenied.administration(f"You may not {what}: that takes an administrator's token.")
    require_scope(holder, SCOPE_SCIM, "scim", what)


def require_scope(holder: Holder, scope: int, name: str, what: str) -> None:
    """Require a scope of tokens that have scopes.

    Raises:
        PermissionDenied: they do not.
    """
    if not holder.allows(scope):
        raise PermissionDenied.insufficient_scope(f"You may not {what}: the token's scopes lack {name}.", [name])


def require_pipeline_creator(holder: Holder) -> None:
    """Require an administrator or pipeline administrator, who may create pipelines.

    The creator becomes the manager, so it takes a token that may manage pipelines.

    Raises:
        PermissionDenied: it is a member, or the token's scopes forbid it.
    """
    if holder.role is Role.MEMBER:
        raise PermissionDenied.administration(
            "You may not create pipelines: that takes a pipeline administrator or an administrator."
        )
    require(holder, MANAGE_PIPELINES, 0, "create pipelines")


def require_job_changer(holder: Holder, *, owns: bool, what: str) -> None:
    """Require a job's owner or an administrator, by a token that may put jobs into pipelines.

    Raises:
        PermissionDenied: it is somebody else, or the token's scopes forbid it.
    """
    if not owns and holder.role is not Role.ADMIN:
        raise PermissionDenied(f"You may not {what}: that takes its owner or an administrator.")
    if not owns:
        require_scope(holder, SCOPE_ADMIN, "admin", what)
    require_scope(holder, EXECUTE, PERMISSION_NAMES[EXECUTE], what)


def held_until(role: Role, grants: Iterable[GrantedAccess], now: datetime) -> dict[int, datetime | None]:
    """Return the bits of an access that a user holds on a pipeline, each with the time at which they lose it.

    None: never, as far as it is known now.

    Args:
        role: everyone but a member holds all of them for as long as they have the role.
        grants: to the user and to their groups.
    """
    if role is not Role.MEMBER:
        return dict.fromkeys(_BITS)
    held: dict[int, datetime | None] = {}
    for grant in grants:
        given = union([grant], now)
        for bit in _BITS:
            if not given & (bit | MANAGER):
                continue
            former, until = held.get(bit, now), grant.expires_at
            held[bit] = None if former is None or until is None else max(former, until)
    return held


_BITS: Final = (*PERMISSION_BITS.values(), MANAGER)


def check_grant(holder: Holder, granted: int, *, before: int | None, after: int | None) -> None:
    """Check that one grant may be put in the place of another, by a holder of manage_pipelines there.

    A caller grants nothing that they do not hold, and only managers make, change or unmake managers.

    Args:
        holder: of the call.
        granted: what was granted to the holder on the pipeline.
        before: the access that the grant gives now; None if there is none.
        after: the access that it is to give; None to take it back.

    Raises:
        PermissionDenied: they may not; with a challenge of insufficient scope if only the token's scopes forbid it.
    """
    access, unscoped = holder.access(granted), effective(holder.role, None, granted)
    if ((before or 0) | (after or 0)) & MANAGER and not is_manager(access):
        if is_manager(unscoped):
            lacking = permission_names(EVERY_PERMISSION & ~access)
            raise PermissionDenied.insufficient_scope(
                f"You may not make, change or unmake managers: the token's scopes lack {', '.join(lacking)}.", lacking
            )
        raise PermissionDenied(
            "You may not make, change or unmake managers: that takes a manager of the pipeline.", reason="grant_denied"
        )
    missing = (after or 0) & EVERY_PERMISSION & ~access
    if missing:
        names = permission_names(missing)
        if not missing & ~unscoped:
            raise PermissionDenied.insufficient_scope(
                f"You may not grant what the token's scopes lack: {', '.join(names)}.", names
            )
        raise PermissionDenied(f"You may not grant what you do not hold: {', '.join(names)}.", reason="grant_denied")


def check_grant_end(held: Mapping[int, datetime | None], access: int, expires_at: datetime | None) -> None:
    """Check that a grant ends no later than its grantor's own hold on what it gives.

    Args:
        held: of the grantor, by held_until().
        access: what the grant gives; a manager's gives all five.
        expires_at: when it ends; None: never.

    Raises:
        PermissionDenied: they would hand on something for longer than they have it.
    """
    for bit in _BITS:
        if not access & bit:
            continue
        until = held.get(bit, FIRST)
        if until is not None and (expires_at is None or expires_at > until):
            what = PERMISSION_NAMES.get(bit, "being a manager")
            raise PermissionDenied(
                f"You may not grant for longer than you hold it yourself: you hold {what} until {written(until)}.",
                reason="grant_denied",
            )


def check_token_scopes(holder: Holder, scopes: int | None) -> None:
    """Check that a token may make another with those scopes: they never widen.

    Raises:
        PermissionDenied: the new one could do what this one can't; with a challenge of insufficient scope, which names
            what is lacking, and nothing if that is to have no scopes at all.
    """
    if holder.scopes is not None and (scopes is None or scopes & ~holder.scopes):
        lacking = scope_names(None if scopes is None else scopes & ~holder.scopes)
        raise PermissionDenied.insufficient_scope(
            "You may not make a token with more scopes than the one you call with: name only some of those, or call"
            " with one that has them all.",
            lacking or (),
        )
