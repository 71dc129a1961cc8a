"""Explanations: the paths by which a user comes to a permission, or what stops them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from service.permissions.bits import MANAGER, PERMISSION_BITS, PERMISSION_NAMES, READ, GrantedAccess, Role, union


class Path(StrEnum):
    """A kind of path by which a user comes to a permission."""

    USER = "user"
    GROUP = "group"
    ROLE = "role"


@dataclass(frozen=True, slots=True)
class Reason:
    """One path that gives a permission: a grant to the user, one to a group of theirs, or their role."""

    through: Path
    name: str
    as_manager: bool
    """True if it gives the permission by making a manager, and not by naming it."""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class MappedReason(Reason):
    """One that is there because an identity provider's claims are mapped to the group, or to the role."""

    mapped_from: str = ""
    """The provider's own name of it."""


@dataclass(frozen=True, slots=True)
class NamedGrant:
    """A grant that concerns a user, and its path."""

    through: Path
    name: str
    grant: GrantedAccess
    mapped_from: str | None = None
    """The identity provider's name of the group, where the user is in it by the provider's claims alone."""
    others: int = 0
    """The number of further grants of the same access, which has expired as this one has or has not, by later names."""


MAX_REASONS: Final = 100
"""Grants that explain one permission by name; others are counted."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The reasons for which a user holds a permission, or what stops them."""

    permission: int
    reasons: list[Reason]
    missing: str | None
    unlisted: int = 0
    """The number of reasons beyond those."""


def explain(
    role: Role, grants: Iterable[NamedGrant], now: datetime, *, disabled: bool, role_from: str | None = None
) -> list[Explanation]:
    """Explain each of the five permissions: the paths that give it, up to MAX_REASONS, or what is missing.

    Args:
        role: the user's, or the one that an identity provider's claims give them.
        grants: to the user and to their groups, also those that have expired.
        disabled: a disabled user holds nothing, whatever is granted.
        role_from: the provider's name of the role, where it is from there.
    """
    if disabled:
        return [Explanation(permission, [], "The user is disabled.") for permission in PERMISSION_BITS.values()]
    active: list[NamedGrant] = []
    expired: list[NamedGrant] = []
    for named in grants:
        (active if union([named.grant], now) else expired).append(named)
    return [_explain(permission, role, role_from, active, expired) for permission in PERMISSION_BITS.values()]


def _explain(
    permission: int, role: Role, role_from: str | None, active: list[NamedGrant], expired: list[NamedGrant]
) -> Explanation:
    giving = [each for each in active if (each.grant.access | READ) & (permission | MANAGER)]
    reasons = [_reason(role_from, Path.ROLE, role.value, as_manager=True)] if role is not Role.MEMBER else []
    reasons += [
        _reason(
            each.mapped_from,
            each.through,
            each.name,
            as_manager=not (each.grant.access | READ) & permission,
            expires_at=each.grant.expires_at,
        )
        for each in giving[:MAX_REASONS]
    ]
    if reasons:
        return Explanation(permission, reasons, None, _beyond(giving))
    ended = [each for each in expired if (each.grant.access | READ) & (permission | MANAGER)]
    gone = [f"{each.through} {each.name}" for each in ended]
    more = f" and {_beyond(ended):,} others" if _beyond(ended) else ""
    missing = f"Neither the user nor a group of theirs is granted {PERMISSION_NAMES[permission]}"
    tail = f"; what was granted to {', '.join(gone[:MAX_REASONS])}{more} has expired." if gone else "."
    return Explanation(permission, [], missing + tail)


def _beyond(grants: list[NamedGrant]) -> int:
    """Return how many grants there are beyond those that are named."""
    return max(0, len(grants) + sum(each.others for each in grants) - MAX_REASONS)


def _reason(
    mapped_from: str | None, through: Path, name: str, *, as_manager: bool, expires_at: datetime | None = None
) -> Reason:
    if mapped_from is None:
        return Reason(through, name, as_manager, expires_at)
    return MappedReason(through, name, as_manager, expires_at, mapped_from)
