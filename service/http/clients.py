"""The client of a request as its log line has it: address and user agent, and what it asked for.

Clients choose what they send, so each text is bounded, escaped, and without what looks like a token. What is found of a
connection, of proxies and of user agents is cached: a line for which each was found anew would cost twice as much.
"""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar
from uuid import UUID

from aiohttp import hdrs
from multidict import CIMultiDictProxy

from service.http.client_address import client_address
from service.http.public_address import X_FORWARDED_FOR, forwarded_clients, peer_of
from service.settings import Network
from service.telemetry.request_record import RequestRecord
from service.telemetry.terminal import escape
from service.values.masked import without_tokens

MAX_PATH: Final = 300
"""Characters of a path in a log line."""
MAX_USER_AGENT: Final = 200
"""Characters of a user agent in a log line."""
MAX_CACHED: Final = 4096
"""Addresses, user agents, and callers' ids that are cached, of each."""
MAX_CACHED_CHARACTERS: Final = 200
"""Characters of what a client or its proxies say, so that it is cached."""

Key = TypeVar("Key")
Value = TypeVar("Value")


class Logged(Protocol):
    """A request of any transport, as far as its log line tells of it."""

    @property
    def method(self) -> str:
        """The HTTP method."""

    @property
    def path(self) -> str:
        """The path as the client gave it."""

    @property
    def remote(self) -> str | None:
        """The address of the peer, if it has one."""

    @property
    def headers(self) -> CIMultiDictProxy[str]:
        """The headers, or what is in their place."""


class Clients:
    """Finds what log lines say of the clients of requests."""

    def __init__(self, trusted: Sequence[Network] = ()) -> None:
        """Take addresses from proxies in some networks, and from connections where there is no such proxy."""
        self._trusted = trusted
        self._peers: dict[str | None, tuple[str | None, bool]] = {}
        """The addresses of peers, and whether these are trusted proxies, which tell of others."""
        self._behind: dict[tuple[str | None, ...], str | None] = {}
        """The addresses of clients, by the proxy and what it says."""
        self._ids: dict[bytes, dict[str, str]] = {}
        """The ids of callers in hexadecimal, by those of their tokens."""
        self._agents: dict[str, str] = {}
        """User agents as they are shown, by what was sent."""

    def address(self, request: Logged) -> str | None:
        """Return the address that a request comes from, None if nothing tells it."""
        remote = request.remote
        known = self._peers.get(remote)
        if known is None:
            peer = client_address(peer_of(remote), (), ())
            asked = client_address(peer_of(remote), ("192.0.2.1",), self._trusted) if self._trusted else peer
            known = _remember(self._peers, remote, (peer, asked != peer))
        return self._told_by_proxy(request, remote) if known[1] else known[0]

    def _told_by_proxy(self, request: Logged, remote: str | None) -> str | None:
        told = (remote, *request.headers.getall(X_FORWARDED_FOR, ()))
        if told in self._behind:
            return self._behind[told]
        found = client_address(peer_of(remote), forwarded_clients(request.headers), self._trusted)
        # Without that header, others say it (RFC 7239); they are read each time.
        if len(told) > 1 and sum(map(len, told[1:])) <= MAX_CACHED_CHARACTERS:
            _remember(self._behind, told, found)
        return found

    def ids(self, token_id: UUID, record: RequestRecord) -> dict[str, str]:
        """Return the ids of a request's caller, by the names of their fields."""
        known = self._ids.get(token_id.bytes)
        if known is None:
            texts = {"organization_id": str(record.organization_id), "user_id": str(record.user_id)}
            known = _remember(self._ids, token_id.bytes, {**texts, "token_id": str(token_id)})
        return known

    def user_agent(self, request: Logged) -> str | None:
        """Return a request's user agent as it may be shown, None if it has none."""
        sent = request.headers.get(hdrs.USER_AGENT)
        if sent is None:
            return None
        known = self._agents.get(sent)
        if known is None:
            known = shown(sent, MAX_USER_AGENT)
            if len(sent) <= MAX_CACHED_CHARACTERS:
                _remember(self._agents, sent, known)
        return known


def shown(text: str, limit: int) -> str:
    """Return the beginning of a text from outside as a log line may have it, with a limit in characters."""
    return escape(without_tokens(text)[:limit])


def _remember(cache: dict[Key, Value], key: Key, value: Value) -> Value:
    """Add an entry, in the place of all others where the cache is full."""
    if len(cache) >= MAX_CACHED:
        cache.clear()
    cache[key] = value
    return value
