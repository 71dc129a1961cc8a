"""The identity of a call: the user, the token, and the state at which both were read."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from service.permissions import Holder, Role

OPERATOR_ID: Final = UUID(int=0)
"""In the place of a user's and a token's id: an operator at the command line, who is no user of the organization."""


@dataclass(slots=True)
class Caller(Holder):
    """The user on whose behalf a call is made, and the token it came with, as one statement has read them."""

    organization_id: UUID
    user_id: UUID
    username: str
    token_id: UUID
    digest: bytes
    """The token's SHA-256: a secret that only the client and the service know."""
    revisions: tuple[int, ...]
    """The revisions of what decides what the user may see; see repositories/revisions.py."""
    database_time: datetime
    """The database's clock at that statement."""

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
