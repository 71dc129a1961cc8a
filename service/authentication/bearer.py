"""Authentication by bearer tokens (RFC 6750): which caller a request's credentials belong to."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any, Final

from service.batching.batcher import Batcher
from service.batching.tenants import MANY_REVISIONS, reusing_batchers
from service.database.pool import Database
from service.database.reused_connection import ReusedConnection
from service.deadlines import Deadlines
from service.errors import Unauthenticated, Unavailable
from service.identity import Caller
from service.repositories import tokens
from service.telemetry.request_record import current_record

if TYPE_CHECKING:
    from service.authentication.oidc.sign_in import SignIn

MAX_TOKENS_PER_BATCH: Final = 500
"""Tokens in one statement."""
RECENT_SECONDS: Final = 30.0
"""Seconds that a caller counts as recent: as exact as the time is at which a token was last used."""
MAX_RECENT: Final = 4096
"""Recent callers, who take a kilobyte each; nine, if they are in as many groups as one of them may be."""


def token_digest(token: str) -> bytes:
    """Return what is stored of a token. It has 256 random bits, so one fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def bearer_token(authorization: str | None) -> str:
    """Return the token in an Authorization header.

    Raises:
        Unauthenticated: the header is missing, of another scheme, or holds no token.
    """
    scheme, _, token = (authorization or "").partition(" ")
    if "\t" in scheme:
        return bearer_token((authorization or "").replace("\t", " "))
    token = token.strip(" \t")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated.no_credentials()
    return token


def _may_be_json(token: str) -> bool:
    """Return whether a token has the form of a signed JSON web token."""
    return not token.startswith("fp_") and token.count(".") == 2


class RecentCallers:
    """The callers of the last half minute by their tokens, for optimistic operations that prove the caller themselves.

    An entry that is out of date leads to no answer; evicting one at any time costs one authentication.
    """

    def __init__(self) -> None:
        self._callers: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()

    def find(self, authorization: str | None) -> Caller | None:
        """Return the caller of the token in an Authorization header, if it was used lately.

        Raises:
            Unauthenticated: the header holds no bearer token.
        """
        found = self._callers.get(token_digest(bearer_token(authorization)))
        return found[0] if found is not None and found[1] > monotonic() else None

    def note(self, caller: Caller) -> None:
        """Remember a caller who has just been authenticated, unless they are in so many groups that they take room."""
        if len(caller.revisions) > MANY_REVISIONS:
            return
        self._callers.pop(caller.digest, None)
        self._callers[caller.digest] = caller, monotonic() + RECENT_SECONDS
        if len(self._callers) > MAX_RECENT:
            self._callers.popitem(last=False)

    def clear(self) -> None:
        """Forget every caller."""
        self._callers.clear()


class Authentication:
    """Asks the database for the caller after each request arrived: revocation holds from the very next one on.

    Requests that wait at the same moment share one small statement; none is served by one that began before it came.
    """

    def __init__(
        self, database: Database, timeout: float, batcher_type: Callable[..., Batcher[Any, Any]] = Batcher
    ) -> None:
        """Authenticate by a database; a statement that takes longer than the timeout, in seconds, has failed."""
        self._database = database
        self._deadlines = Deadlines(timeout)
        self._batchers = reusing_batchers(database, batcher_type, "authentication", self._find, MAX_TOKENS_PER_BATCH)
        self.batcher: Final = self._batchers.batcher
        self.sign_in: SignIn | None = None
        """For tokens of identity providers, where there are any."""

    async def authenticate(self, authorization: str | None, organization: Hashable = None) -> Caller:
        """Return the caller by the token in an Authorization header.

        Args:
            authorization: the header.
            organization: the token's, as far as is known, by which it shares a batch; nothing is proved by it.

        Raises:
            Unauthenticated: no token came, or it is unknown, expired or revoked, or its user is disabled.
            Unavailable: the database did not answer, or the identity provider's keys can't be had.
        """
        token = bearer_token(authorization)
        digest = token_digest(token)
        record, started = current_record.get(), perf_counter()
        sign_in = self.sign_in
        if sign_in is not None and (digest in sign_in.verified or _may_be_json(token)):
            try:
                return await sign_in.authenticate(token, digest, organization)
            except Unauthenticated:
                if record is not None:
                    record.token_digest = digest.hex()[:16]
                raise
        try:
            caller = await self._batchers.submit(organization, digest)
        finally:
            if record is not None:  # as `timed` does it, which would be three calls more in each request
                record.statements += 1
                record.database_seconds += perf_counter() - started
        if caller is None:
            if record is not None:
                record.token_digest = digest.hex()[:16]
            raise Unauthenticated.invalid_token()
        return caller

    async def _find(self, reused: ReusedConnection, digests: Sequence[bytes]) -> list[Caller | None]:
        async def find() -> list[Caller]:
            async with reused as connection:
                return await tokens.find_active(connection, digests)

        try:
            with self._deadlines.begin():
                found = await self._database.run(find, only_reads=True)
        except TimeoutError as error:
            raise Unavailable(
                "The database did not say in time who is calling; try again.", reason="unanswered"
            ) from error
        for caller in found:
            if len(caller.revisions) > MANY_REVISIONS:
                self._batchers.keep_apart(caller.organization_id.bytes)
        callers = {caller.digest: caller for caller in found}
        return [callers.get(digest) for digest in digests]
