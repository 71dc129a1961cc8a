"""Bearer token → who is calling, as RFC 6750 has it."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from service.database import Database, HeldConnection, timed
from service.deadline import Deadlines
from service.errors import Unauthenticated, Unavailable
from service.permissions import Holder
from service.repositories import tokens
from service.together import Together

OPERATOR: Final = UUID(int=0)
"""In the place of a user's id: an operator at the command line, who is no user and acts as an administrator."""

MOST_TOGETHER: Final = 500
"""Tokens in one question."""
TURNS: Final = 3
"""Of the event loop, from a request's arrival until it has asked. Those who come together with an answer are given
them, to share the next question, which goes out before those who were answered are served. Else hardly anybody would
be in it, all the others would wait for the one after that, and the processor with them."""


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


class Authentication:
    """Who is calling, asked of the database after each request arrived: revocation holds from the very next one on.

    Requests that wait at the same moment share one small statement; none is served by one that began before it came.
    """

    def __init__(self, database: Database, timeout: float) -> None:
        """A question that takes longer than the timeout, in seconds, has failed, for those who wait for it alone."""
        self._database = database
        self._deadlines = Deadlines(timeout)
        self._held = HeldConnection(database)
        self.asked: Together[bytes, Known | None] = Together(self._find, most=MOST_TOGETHER, rest=self._held.give_back)

    async def authenticate(self, authorization: str | None) -> Known:
        """Who is calling by the token in an Authorization header.

        Raises:
            Unauthenticated: no token came, or it is unknown, expired or revoked, or its user is disabled.
            Unavailable: the database did not say.
        """
        digest = token_digest(bearer_token(authorization))
        with timed():
            known = await self.asked.ask(digest)
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
        for _ in range(TURNS):
            await asyncio.sleep(0)
        known = {row.digest: _known(row) for row in found}
        return [known.get(digest) for digest in digests]


def _known(row: tokens.ActiveToken) -> Known:
    caller = Caller(row.role, row.scopes, row.organization_id, row.user_id, row.username, row.id)
    return Known(caller, row.digest, row.revisions, row.now)
