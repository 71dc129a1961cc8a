"""Access as a bit set: the five permissions and the manager's standing; scopes and roles; unions of grants."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

READ: Final = 1
WRITE: Final = 2
EXECUTE: Final = 4
DELETE: Final = 8
MANAGE_PIPELINES: Final = 16
MANAGER: Final = 32
"""Not a permission but a standing: it holds all five."""

EVERY_PERMISSION: Final = READ | WRITE | EXECUTE | DELETE | MANAGE_PIPELINES
FULL_ACCESS: Final = EVERY_PERMISSION | MANAGER

PERMISSION_BITS: Final[Mapping[str, int]] = {
    "flow_pipeline:read": READ,
    "flow_pipeline:execute": EXECUTE,
    "flow_pipeline:delete": DELETE,
    "flow_pipeline:manage_pipelines": MANAGE_PIPELINES,
    "flow_pipeline:write": WRITE,
}
"""Bits by name, in the order in which answers show them."""

PERMISSION_NAMES: Final[Mapping[int, str]] = {bit: name for name, bit in PERMISSION_BITS.items()}

SCOPE_ADMIN: Final = 32
"""The scope of what only administrators may do."""
SCOPE_TOKENS: Final = 64
"""The scope of making tokens."""
SCOPE_SCIM: Final = 128
"""The scope of provisioning users and groups by SCIM."""

SCOPE_BITS: Final[Mapping[str, int]] = {
    **PERMISSION_BITS,
    "admin": SCOPE_ADMIN,
    "tokens": SCOPE_TOKENS,
    "scim": SCOPE_SCIM,
}


def scope_set(names: Iterable[str]) -> int:
    """Return the bit set of scopes by name."""
    return sum({SCOPE_BITS[name] for name in names})


def scope_names(scopes: int | None) -> list[str] | None:
    """Return the names of a token's scopes; None for a token without any, which may all that its user may."""
    return None if scopes is None else [name for name, bit in SCOPE_BITS.items() if scopes & bit]


class Role(StrEnum):
    """A user's role in their organization."""

    MEMBER = "member"
    PIPELINE_ADMIN = "pipeline_admin"
    ADMIN = "admin"


_MIGHT: Final = {role: might for might, role in enumerate(Role)}


def mightier(role: Role, other: Role | None) -> Role:
    """Return the mightier of a user's own role and one that an identity provider gives them, if it does."""
    return role if other is None or _MIGHT[other] <= _MIGHT[role] else other


@dataclass(frozen=True, slots=True)
class GrantedAccess:
    """The access that one grant gives, to a user or to one of their groups, and until when."""

    access: int
    expires_at: datetime | None = None


def union(grants: Iterable[GrantedAccess], now: datetime) -> int:
    """Return the access that grants give together at a moment; those that expired by then give nothing."""
    access = 0
    for grant in grants:
        if grant.expires_at is None or grant.expires_at > now:
            access |= grant.access | READ
    return access


def effective(role: Role, scopes: int | None, granted: int) -> int:
    """Return a caller's access to a pipeline.

    Args:
        role: the user's; everyone but a member acts as a manager of every pipeline.
        scopes: the token's bit set, None when it has none. They cut down, and never widen; a manager whose scopes lack
            one of the five no longer holds all five, and so is none while calling with that token.
        granted: the union of the grants to the user and to their groups.
    """
    if granted & MANAGER or role is not Role.MEMBER:
        granted = FULL_ACCESS
    if scopes is None or scopes & EVERY_PERMISSION == EVERY_PERMISSION:
        return granted
    return granted & scopes & EVERY_PERMISSION


_NAMES: Final = [[name for name, bit in PERMISSION_BITS.items() if access & bit] for access in range(FULL_ACCESS + 1)]


def permission_names(access: int) -> list[str]:
    """Return the names of the permissions in an access, in the order of answers; a shared list, not to be changed."""
    return _NAMES[access & FULL_ACCESS]  # a newer version may know more


def is_manager(access: int) -> bool:
    """Return whether an access is a manager's."""
    return access & MANAGER != 0
