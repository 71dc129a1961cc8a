"""Sign-in by identity providers: from a token of theirs to a caller."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter, time
from typing import Any, Final

import structlog

from service.authentication.oidc import claims as meaning
from service.authentication.oidc.keys import MAX_WAITING, KeysAway, ProviderKeys, PublicKey
from service.authentication.oidc.provisioning import NotProvisioned, provision
from service.authentication.oidc.tokens import LEEWAY, Refused, issuer_of, verify
from service.batching.batcher import Batcher
from service.batching.tenants import MANY_REVISIONS, TenantBatchers
from service.database.pool import Database
from service.database.reused_connection import ReusedConnection
from service.deadlines import Deadlines
from service.errors import ServiceError, Unauthenticated, Unavailable
from service.identity import Caller, MappedGroup, MappedUser, Provided
from service.permissions import Role, mightier
from service.repositories import identities
from service.repositories.identities import Identity, LinkedUser
from service.telemetry.request_record import current_record
from service.values.identity_providers import Provider

log = structlog.get_logger()

MAX_REMEMBERED: Final = 10_000
"""Verified tokens that are remembered, of two kilobytes each."""
MAX_PER_BATCH: Final = 200
"""Identities in one statement."""


@dataclass(slots=True)
class Verified:
    """The meaning of a verified token, for as long as it is good."""

    provider: Provider
    keys: ProviderKeys
    key: PublicKey
    published: Mapping[tuple[str, str], PublicKey]
    """The provider's keys when the key was last seen among them."""
    expires: float
    """Seconds since 1970, by the clock of this process, with the leeway."""
    expires_at: datetime
    identity: Identity
    scopes: int | None
    groups: dict[str, str]
    """The values of claims that are mapped to groups, by the groups' names in lower case."""
    role: Role | None
    role_value: str | None
    username: str | None
    """The name for a user who is made on sign-in."""
    provided: Provided | None = None
    """Of the last caller, who has mostly not changed: each request would make another."""

    @property
    def is_good(self) -> bool:
        """True until the token expires, or its key is withdrawn."""
        if self.expires <= time():
            return False
        published = self.keys.published
        if self.published is not published:
            if not self.keys.has(self.key):
                return False
            self.published = published
        return True


class SignIn:
    """Finds the caller of each request that comes by a provider's token.

    What a token says is verified once. Who it belongs to, and whether they may still come, is asked of the database for
    each request, together with those that wait at the same moment.
    """

    def __init__(
        self,
        database: Database,
        providers: Sequence[Provider],
        timeout: float,
        batcher_type: Callable[..., Batcher[Any, Any]] = Batcher,
        most_waiting: int = MAX_WAITING,
    ) -> None:
        self._database = database
        self._deadlines = Deadlines(timeout)
        self._providers: Final = {
            each.issuer: (each, ProviderKeys(each.issuer, most_waiting=most_waiting)) for each in providers
        }
        self.verified: Final[OrderedDict[bytes, Verified]] = OrderedDict()
        """Tokens that were good when they were last asked for, by their digests."""

        def make(max_size: int) -> Batcher[Identity, LinkedUser | None]:
            connection = ReusedConnection(database)
            return batcher_type("identity", partial(self._find, connection), max_size=max_size, on_idle=connection.rest)

        self._batchers = TenantBatchers(make, database.presence, MAX_PER_BATCH)
        self.batcher: Final = self._batchers.batcher

    async def authenticate(self, token: str, digest: bytes, organization: Hashable = None) -> Caller:
        """Return the caller of a provider's token.

        Args:
            token: as it came.
            digest: its SHA-256.
            organization: the caller's, as far as is known, by which it shares a batch; nothing is proved by it.

        Raises:
            Unauthenticated: it is not good, or leads to no user who may come.
            Unavailable: its key is not known and its provider away, or the database did not answer.
        """
        verified = self.verified.get(digest)
        if verified is None or not verified.is_good:
            self.verified.pop(digest, None)
            verified = self.verified[digest] = await self._verify(token)
            if len(self.verified) > MAX_REMEMBERED:
                self.verified.popitem(last=False)
        record, started = current_record.get(), perf_counter()
        try:
            linked = await self._batchers.submit(organization, verified.identity)
            if linked is None:
                linked = await self._make(verified)
            if len(linked.revisions) > MANY_REVISIONS:
                self._batchers.keep_apart(linked.organization_id.bytes)
        finally:
            if record is not None:  # as `timed` does it; see Authentication
                record.statements += 1
                record.database_seconds += perf_counter() - started
        return _caller(verified, linked, digest)

    async def _verify(self, token: str) -> Verified:
        issuer = issuer_of(token)
        known = None if issuer is None else self._providers.get(issuer)
        if known is None:
            raise Unauthenticated.invalid_token()
        provider, keys = known
        try:
            claims, key = await verify(token, provider, keys)
        except Refused as refusal:
            raise _refused(str(refusal)) from refusal
        except KeysAway as error:
            raise _away() from error
        is_known, organization_id = meaning.organization_of(claims, provider)
        if not is_known:
            raise _refused("its claims name no organization")
        groups = meaning.groups_of(claims, provider)
        role, role_value = meaning.role_of(claims, provider)
        elevated = role not in (None, Role.MEMBER)
        names = [name for name, _ in groups]
        expires = float(claims["exp"]) + LEEWAY
        return Verified(
            provider,
            keys,
            key,
            {},
            expires,
            datetime.fromtimestamp(expires, UTC),
            Identity(organization_id, provider.issuer, claims["sub"], elevated, names),
            meaning.scopes_of(claims),
            dict(groups),
            role,
            role_value,
            meaning.username_of(claims, provider),
        )

    async def _find(self, reused: ReusedConnection, wanted: Sequence[Identity]) -> list[LinkedUser | None]:
        async def find() -> list[LinkedUser | None]:
            async with reused as connection:
                return await identities.find_linked(connection, wanted)

        try:
            with self._deadlines.begin():
                return await self._database.run(find, only_reads=True)
        except TimeoutError as error:
            raise Unavailable(
                "The database did not say in time who is calling; try again.", reason="unanswered"
            ) from error

    async def _make(self, verified: Verified) -> LinkedUser:
        """Make the user of an identity that is linked to nobody, where the provider's people are made on sign-in.

        Raises:
            Unauthenticated: nobody is made, or who is linked was disabled.
        """
        identity = verified.identity
        if verified.provider.provision != "on_sign_in":
            raise _unlinked(identity)
        failure = None
        try:
            await provision(self._database, identity, verified.username)
        except NotProvisioned as error:
            failure = error
        linked = await self._batchers.submit(None, identity)  # perhaps by another request of theirs at the same moment
        if linked is None and failure is not None:
            raise Unauthenticated(str(failure), reason="invalid_token") from failure
        if linked is None:
            raise _unlinked(identity)
        return linked

    async def tell_missing_groups(self) -> None:
        """Log each group that a provider's claims are mapped to, and that does not exist."""
        for provider, _ in self._providers.values():
            names = sorted({name.lower() for _, name in provider.groups})
            if not names:
                continue
            try:
                async with self._database.connection() as connection:
                    missing = await identities.find_missing_groups(connection, provider.organization, names)
            except ServiceError as error:
                log.warning("mapped_groups_not_checked", issuer=provider.issuer, error=error.message)
                continue
            if missing:
                log.warning("mapped_groups_missing", issuer=provider.issuer, groups=missing)

    async def running(self) -> AsyncIterator[None]:
        """Check the settings beside the first requests, and end what is being fetched in the end."""
        telling = asyncio.create_task(self.tell_missing_groups())
        yield
        telling.cancel()
        await asyncio.wait([telling])
        for _, keys in self._providers.values():
            await keys.close()


def _caller(verified: Verified, linked: LinkedUser, digest: bytes) -> Caller:
    groups: tuple[MappedGroup, ...] = ()
    if linked.groups:
        groups = tuple(MappedGroup(key, name, verified.groups[name.lower()]) for key, name in linked.groups)
    elevated = verified.identity.elevated
    user_id = linked.user_id
    if groups or elevated:
        user_id = MappedUser(user_id, tuple(group.id for group in groups), elevated=elevated)
    provided = verified.provided
    if provided is None or (provided.link_id, provided.secret, provided.groups) != (
        linked.link_id,
        linked.secret,
        groups,
    ):
        provided = verified.provided = _provided(verified, linked, groups)
    return Caller(
        linked.role if verified.role is None else mightier(linked.role, verified.role),
        verified.scopes,
        linked.organization_id,
        user_id,
        linked.username,
        linked.link_id,
        digest,
        linked.revisions,
        linked.database_time,
        provided,
    )


def _provided(verified: Verified, linked: LinkedUser, groups: tuple[MappedGroup, ...]) -> Provided:
    return Provided(
        verified.identity.issuer,
        linked.link_id,
        linked.secret,
        verified.expires_at,
        groups,
        verified.role,
        verified.role_value,
        verified.expires_at - timedelta(seconds=LEEWAY),
    )


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated(f"The identity provider's token was refused: {why}.", reason="invalid_token")


def _unlinked(identity: Identity) -> Unauthenticated:
    return Unauthenticated(
        f"The identity provider knows you as {identity.subject}, but no user here is linked to that, or they are"
        " disabled: ask an administrator.",
        reason="invalid_token",
    )


def _away() -> Unavailable:
    return Unavailable(
        "The identity provider can't be asked for its keys right now, and the token's is not known; try again.",
        reason="provider_away",
    )
