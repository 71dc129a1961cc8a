"""The keys of an identity provider: fetched when they are needed, and kept while it is away."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from service.authentication.oidc import fetching
from service.authentication.oidc.fetching import FetchError, fetch_json

log = structlog.get_logger()

MIN_INTERVAL: Final = 10.0
"""Seconds between two fetches at least, whatever keys tokens name."""
FRESH_SECONDS: Final = 300.0
"""Seconds after which keys are fetched anew beside the requests: so long a withdrawn key counts."""
MAX_WAITING: Final = 100
"""Requests that wait for keys of one provider at once; others are refused, as it may be slow, and places are few."""
WAITING_SHARE: Final = 0.25
"""The part of `MAX_REQUESTS` that waits for keys at most, of all providers together: the rest is for who needs none."""
MAX_KEYS: Final = 100
"""Keys of one provider; others in its set are left out."""
MAX_NUMBER: Final = 2_800
"""Characters of a number of a key: those of RSA have 16,384 bits at most, and of one of a million 50 ms are made."""
MIN_RSA_BITS: Final = 2048
"""Bits of an RSA key; one with fewer is left out."""

PublicKey = RSAKey | ECKey | OKPKey
Fetch = Callable[[str], Awaitable[dict[str, Any]]]

_TYPES: Final[Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
_PUBLIC: Final = ("kty", "kid", "use", "alg", "n", "e", "crv", "x", "y")


def most_waiting(max_requests: int, providers: int) -> int:
    """Return how many requests may wait for the keys of each of so many providers, of those that may be under way."""
    return max(1, min(MAX_WAITING, int(max_requests * WAITING_SHARE) // providers))


class KeysAway(Exception):
    """Keys that can't be had now, so that whether a token is good can't be told."""


class ProviderKeys:
    """The signing keys of one issuer, by their ids and types."""

    def __init__(
        self,
        issuer: str,
        fetch: Fetch = fetch_json,
        clock: Callable[[], float] = monotonic,
        most_waiting: int = MAX_WAITING,
    ) -> None:
        """Begin without any; the clock counts seconds, and so many requests wait for them at most."""
        self.issuer = issuer
        self._most_waiting = most_waiting
        self._fetch = fetch
        self._clock = clock
        self._keys: Mapping[tuple[str, str], PublicKey] = {}
        self._tried = self._fetched = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._waiting = 0

    @property
    def published(self) -> Mapping[tuple[str, str], PublicKey]:
        """The keys that the provider published last: another object whenever they were fetched."""
        return self._keys

    def has(self, key: PublicKey) -> bool:
        """Return whether a key is among those that the provider published last."""
        return any(key is each for each in self._keys.values())

    async def find(self, key_id: str, key_type: str) -> PublicKey | None:
        """Return the key of an id and type; None if the provider has none.

        An unknown key has them fetched, once for all that wait and at most every MIN_INTERVAL. Old ones are fetched
        anew beside the request.

        Raises:
            KeysAway: it is not known, and the provider can't be asked, or too many wait for it.
        """
        found = self._keys.get((key_id, key_type))
        if found is not None:
            if self._clock() - self._fetched > FRESH_SECONDS:
                self.refresh()
            return found
        if (fetching := self.refresh()) is not None:
            await self._wait(fetching)
        found = self._keys.get((key_id, key_type))
        if found is None and self._fetched < self._tried:
            raise KeysAway
        return found

    async def _wait(self, fetching: "asyncio.Task[None]") -> None:
        """Wait for the keys, which go on to be fetched if this request ends.

        Raises:
            KeysAway: as many requests as may wait for them do.
        """
        if self._waiting >= self._most_waiting:
            raise KeysAway
        self._waiting += 1
        try:
            await asyncio.shield(fetching)
        finally:
            self._waiting -= 1

    def refresh(self) -> "asyncio.Task[None] | None":
        """Begin to fetch the keys, unless that is under way; None if it was tried just before."""
        if self._fetching is None:
            if self._clock() - self._tried < MIN_INTERVAL:
                return None
            self._tried = self._clock()
            self._fetching = asyncio.create_task(self._refresh())
            self._fetching.add_done_callback(self._done)
        return self._fetching

    def _done(self, _: "asyncio.Task[None]") -> None:
        self._fetching = None

    async def close(self) -> None:
        """Give up what is being fetched."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _refresh(self) -> None:
        """Fetch the keys; what is there stays if that fails."""
        try:
            async with asyncio.timeout(fetching.TIMEOUT):
                keys = await self._fetch_keys()
        except (FetchError, TimeoutError) as error:
            log.warning("identity_provider_away", issuer=self.issuer, error=str(error) or "it took too long")
            return
        former = self._keys
        self._keys = {place: _same(former.get(place), key) for place, key in keys.items()}
        self._fetched = self._clock()
        log.info("identity_provider_keys", issuer=self.issuer, keys=len(keys))

    async def _fetch_keys(self) -> dict[tuple[str, str], PublicKey]:
        document = await self._fetch(self.issuer.removesuffix("/") + "/.well-known/openid-configuration")
        if document.get("issuer") != self.issuer:
            raise FetchError("the document of the provider names another issuer")
        address = document.get("jwks_uri")
        if not isinstance(address, str) or not _is_as_safe(address, self.issuer):
            raise FetchError("the document of the provider has no safe address of its keys")
        listed = (await self._fetch(address)).get("keys")
        if not isinstance(listed, list):
            raise FetchError("the provider's key set has no list of keys")
        keys: dict[tuple[str, str], PublicKey] = {}
        for each in listed[:MAX_KEYS]:
            key = _read_key(each)
            if key is not None:
                keys[str(key.kid), key.key_type] = key
            await asyncio.sleep(0)  # one takes half a millisecond
        return keys


def _is_as_safe(address: str, issuer: str) -> bool:
    """Return whether an address is encrypted and names no user, or is at the issuer's own host and port.

    So a provider on this machine, which need not be encrypted, leads to no other service of it.
    """
    try:
        wanted, own = urlsplit(address), urlsplit(issuer)
        is_whole = bool(wanted.hostname) and wanted.username is None and wanted.port != 0
    except ValueError:  # half an IPv6 address, or a port that is none
        return False
    return is_whole and (wanted.scheme == "https" or (wanted.scheme, wanted.netloc) == (own.scheme, own.netloc))


def _same(former: PublicKey | None, key: PublicKey) -> PublicKey:
    """Return the former object if it is the same key, so that what was verified by it is still known."""
    same = former is not None and former.as_dict(private=False) == key.as_dict(private=False)
    return former if same and former is not None else key


def _read_key(value: object) -> PublicKey | None:
    """Return a public key for signatures that has an id; None for any other, of which key sets may have some."""
    if not isinstance(value, dict) or value.get("use", "sig") != "sig" or not isinstance(value.get("kid"), str):
        return None
    wanted = _TYPES.get(value["kty"]) if isinstance(value.get("kty"), str) else None
    if wanted is OKPKey and value.get("crv") not in ("Ed25519", "Ed448"):
        return None
    parts = [value.get(name, "") for name in _PUBLIC]
    if wanted is None or not all(isinstance(each, str) and len(each) <= MAX_NUMBER for each in parts):
        return None
    operations = value.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key = import_key({name: value[name] for name in _PUBLIC if name in value})
    except Exception:  # it may be anything: libraries raise KeyError for a curve, cryptography errors of its own
        return None
    if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
        return None
    return key if isinstance(key, wanted) else None
