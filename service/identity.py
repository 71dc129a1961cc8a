"""The identity of a call: the user, the token, and the state at which both were read."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from service.permissions import Holder, Role

OPERATOR_ID: Final = UUID(int=0)
"""In the place of a user's and a token's id: an operator at the command line, who is no user of the organization."""


class MappedUser(UUID):
    """A user's id, with what an identity provider's claims add for one call: groups, and perhaps a role.

    It goes wherever the id goes, so that every statement on what is granted to the user can count those groups; see
    repositories/granted.py. A statement that does not ask for them sees the id alone.
    """

    groups: tuple[UUID, ...]
    elevated: bool
    """True if the claims give a role beyond a member's, whatever the user's own is."""

    def __init__(self, user_id: UUID, groups: tuple[UUID, ...], *, elevated: bool) -> None:
        super().__init__(int=user_id.int)
        object.__setattr__(self, "groups", groups)  # a UUID is frozen by hand
        object.__setattr__(self, "elevated", elevated)


class MappedGroup(NamedTuple):
    """A group that a value of a claim is mapped to."""

    id: UUID
    name: str
    value: str
    """The identity provider's own name of it."""


@dataclass(frozen=True, slots=True)
class Provided:
    """The state of a caller's identity, where they came by a token of an identity provider."""

    issuer: str
    link_id: UUID
    secret: bytes
    """The link's: a secret that only the service knows."""
    expires_at: datetime
    """The time up to which the token is taken, which clocks that differ may still call good."""
    groups: tuple[MappedGroup, ...]
    role: Role | None
    """The role that claims are mapped to; None if none is."""
    role_value: str | None
    """The value of the claim that is mapped to it."""
    token_ends_at: datetime | None = None
    """The time at which the provider says that the token ends; None: that up to which it is taken."""


@dataclass(slots=True)
class Caller(Holder):
    """The user on whose behalf a call is made, and the token it came with, as one statement has read them."""

    organization_id: UUID
    user_id: UUID
    username: str
    token_id: UUID
    """The token's, or that of the link by which an identity provider's token is the user's."""
    digest: bytes
    """The token's SHA-256: a secret that only the client and the service know."""
    revisions: tuple[int, ...]
    """The revisions of what decides what the user may see; see repositories/revisions.py."""
    database_time: datetime
    """The database's clock at that statement."""
    provided: Provided | None = None
    """None for a token of the service's own."""

    @property
    def is_operator(self) -> bool:
        """True for an operator at the command line."""
        return self.user_id == OPERATOR_ID


def operator(organization_id: UUID) -> Caller:
    """Return the caller of commands: an administrator of an organization, "command line" in its audit trail."""
    now = datetime.now(UTC)
    return Caller(
        Role.ADMIN, None, organization_id, OPERATOR_ID, "command line", OPERATOR_ID, OPERATOR_ID.bytes, (), now
    )
