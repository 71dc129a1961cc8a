"""Bearer token → who is calling, as RFC 6750 has it."""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final, NamedTuple
from uuid import UUID

from service.batching.batcher import Batcher
from service.database.pool import Database, ReusedConnection, timed
from service.deadlines import Deadlines
from service.errors import Unauthenticated, Unavailable
from service.permissions import Holder
from service.repositories import tokens

OPERATOR: Final = UUID(int=0)
"""In the place of a user's id: an operator at the command line, who is no user and acts as an administrator."""

MAX_BATCH_SIZE: Final = 500
"""Tokens in one question."""
RECENT_SECONDS: Final = 30.0
"""Seconds: as exact as the time is at which a token was last used."""
MAX_RECENT: Final = 4096
"""Callers, who take a kilobyte each."""


@dataclass(slots=True)
class Caller(Holder):
    """The user who calls, and the token they call with: its scopes, if it has any, narrow what they may."""

    organization_id: UUID
    user_id: UUID
    username: str
    token_id: UUID


class Known(NamedTuple):
    """Who calls, as the database said after their request arrived, and at what state of what they may see."""

    caller: Caller
    digest: bytes
    """Of their token: a secret that only they and the service know."""
    revisions: tuple[int, ...]
    now: datetime
    """The database's clock."""


def token_digest(token: str) -> bytes:
    """What is stored of a token. A token has 256 random bits, so one fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def bearer_token(authorization: str | None) -> str:
    """The token in an Authorization header.

    Raises:
        Unauthenticated: the header is missing, of another scheme, or holds no token.
    """
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated.no_credentials()
    return token


class Recent:
    """Who has called lately, by their tokens: what a statement may presume that proves it itself.

    What is presumed and no longer so is never answered by; to drop it at any time costs a question who is calling.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, tuple[Known, float]] = OrderedDict()

    def find(self, authorization: str | None) -> Known | None:
        """Who called by the token in an Authorization header, if that was lately."""
        found = self._known.get(token_digest(bearer_token(authorization)))
        return found[0] if found is not None and found[1] > monotonic() else None

    def note(self, known: Known) -> None:
        """They have called."""
        self._known.pop(known.digest, None)
        self._known[known.digest] = known, monotonic() + RECENT_SECONDS
        if len(self._known) > MAX_RECENT:
            self._known.popitem(last=False)


class Authentication:
    """Who is calling, asked of the database after each request arrived: revocation holds from the very next one on.

    Requests that wait at the same moment share one small statement; none is served by one that began before it came.
    """

    def __init__(self, database: Database, timeout: float) -> None:
        """A question that takes longer than the timeout, in seconds, has failed, for those who wait for it alone."""
        self._database = database
        self._deadlines = Deadlines(timeout)
        self._held = ReusedConnection(database)
        self.batcher: Batcher[bytes, Known | None] = Batcher(
            self._find, most=MAX_BATCH_SIZE, on_idle=self._held.release
        )

    async def authenticate(self, authorization: str | None) -> Known:
        """Who is calling by the token in an Authorization header.

        Raises:
            Unauthenticated: no token came, or it is unknown, expired or revoked, or its user is disabled.
            Unavailable: the database did not say.
        """
        digest = token_digest(bearer_token(authorization))
        with timed():
            known = await self.batcher.submit(digest)
        if known is None:
            raise Unauthenticated.invalid_token()
        return known

    async def _find(self, digests: Sequence[bytes]) -> list[Known | None]:
        async def find() -> list[tokens.ActiveToken]:
            async with self._held as connection:
                return await tokens.find_active(connection, digests)

        try:
            with self._deadlines.begin():
                found = await self._database.run(find, only_reads=True)
        except TimeoutError as error:
            raise Unavailable(
                "The database did not say in time who is calling; try again.", reason="unanswered"
            ) from error
        known = {row.digest: _known(row) for row in found}
        return [known.get(digest) for digest in digests]


def _known(row: tokens.ActiveToken) -> Known:
    caller = Caller(row.role, row.scopes, row.organization_id, row.user_id, row.username, row.id)
    return Known(caller, row.digest, row.revisions, row.now)
