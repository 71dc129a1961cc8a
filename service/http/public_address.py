"""The public address of the service: what clients put before its own paths, and what proxies say of it.

A proxy may serve it below a path (`/flows`), and take that path away before it hands a request on, or not. Links that
leave the service (Location, redirects, the admin page, the OpenAPI document) begin with it in either case. It is
PUBLIC_URL, or else what proxies in TRUSTED_PROXIES tell; what others say changes nothing.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from aiohttp import web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDictProxy, istr
from yarl import URL

from service.http.client_address import MAX_HOPS, follow
from service.settings import Network
from service.values.addresses import AUTHORITY, PATH_PREFIX

Headers = CIMultiDictProxy[str]

X_FORWARDED_FOR: Final = "X-Forwarded-For"
X_FORWARDED_PREFIX: Final = istr("X-Forwarded-Prefix")
_X_FORWARDED: Final = (X_FORWARDED_FOR, "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port")
VARY: Final = ", ".join(("Forwarded", *_X_FORWARDED[1:], X_FORWARDED_PREFIX))

OWN_PATHS: Final = re.compile(
    r"/(?:api/v1/|flow_pipelines\.v1\.|scim/v2(?:[/?]|\Z)|admin(?:[/?]|\Z)|(?:docs|openapi\.json|healthz|\.well-known/oauth-protected-resource)(?:\?|\Z))"
)
"""The beginnings of the service's own paths: only from before one of them is a prefix taken away."""

LOOPBACK: Final = "127.0.0.1"

_PREFIX: Final = re.compile(PATH_PREFIX)
_AUTHORITY: Final = re.compile(AUTHORITY)
_PAIR: Final = re.compile(r'\s*([A-Za-z]+)=("(?:[^"\\]|\\.)*"|[^\s;,"]*)\s*(;|,|\Z)')
"""A parameter of Forwarded, with what stands behind it."""


class PublicAddress(NamedTuple):
    """The address of the service as its clients have it."""

    origin: str = ""
    """Scheme, host and port; empty if they are not known."""
    prefix: str = ""
    """The path before the service's own, without a slash at its end."""

    @property
    def url(self) -> str:
        """The whole of it: relative to the origin if that is not known, and / if there is nothing."""
        return self.origin + self.prefix or "/"


class Told(NamedTuple):
    """Each entry that proxies added to their headers, in the order in which the request passed them."""

    clients: Sequence[str]
    protocols: Sequence[str] = ()
    hosts: Sequence[str] = ()
    ports: Sequence[str] = ()
    prefixes: Sequence[str] = ()


class PublicAddresses:
    """Finds the public address for requests."""

    def __init__(self, public_url: str | None, trusted: Sequence[Network]) -> None:
        """Take it from a setting, if there is one, or from what trusted proxies say."""
        self._trusted = trusted if public_url is None else ()
        scheme, _, rest = (public_url or "").partition("://")
        host, slash, path = rest.partition("/")
        self._fixed = PublicAddress(f"{scheme}://{host}" if host else "", slash + path)
        self.headers: Final[Mapping[str, str]] = {"Vary": VARY} if self._trusted else {}
        """Headers of answers that hold the address and may be stored by others."""
        self.strips: Final = bool(self._fixed.prefix or self._trusted)
        """True if requests may come with the prefix before their path."""

    def of(self, request: web.Request) -> PublicAddress:
        """Return the public address for a request."""
        if not self._trusted:
            return self._fixed
        return self._told(request.headers, peer_of(request.remote))

    def without_prefix(self, message: RawRequestMessage, peer: str) -> RawRequestMessage:
        """Return a message whose target has no prefix that a proxy has left before it."""
        target, prefix = message.path, self._fixed.prefix
        told = message.headers.get(X_FORWARDED_PREFIX) if self._trusted else prefix
        if not told:
            return message
        if target[:1] != "/":  # the absolute form, with an origin before the path
            target = target[target.find("/", target.find("://") + 3) :]
        if self._trusted:
            if not target.startswith(told.partition(",")[0].strip()):
                return message  # as most are, where proxies say that they have taken it away
            prefix = self._told(message.headers, peer).prefix
        if not prefix or not target.startswith(prefix) or not OWN_PATHS.match(target, len(prefix)):
            return message
        own = target[len(prefix) :]
        return message._replace(path=own, url=URL(own, encoded=True))

    def _told(self, headers: Headers, peer: str) -> PublicAddress:
        """Return what trusted proxies tell. Each is believed in as many entries as there are trusted ones behind it."""
        told = _read(headers)
        _, hops = follow(peer, told.clients, self._trusted)
        if not hops:
            return self._fixed
        prefix = "".join(each.rstrip("/") for each in told.prefixes[-hops:])
        return PublicAddress(_origin(told, hops), prefix if len(prefix) < 200 and _PREFIX.fullmatch(prefix) else "")


def forwarded_clients(headers: Headers) -> Sequence[str]:
    """Return the addresses that proxies say they were asked by, the last proxy's at the end."""
    return _read(headers).clients


def peer_of(name: object) -> str:
    """Return the address of a connection's peer by its name; that of a Unix socket, which has none, is this machine."""
    if isinstance(name, tuple | list):
        name = name[0]
    return LOOPBACK if name in ("", b"") else str(name or "")


def _read(headers: Headers) -> Told:
    """Return what proxies tell: by the X-Forwarded headers if there is any of them, or else by Forwarded (RFC 7239).

    A proxy that sets the first lets a client's own Forwarded pass.
    """
    prefixes = _entries(headers, X_FORWARDED_PREFIX)
    if any(name in headers for name in _X_FORWARDED):
        clients, protocols, hosts, ports = (_entries(headers, name) for name in _X_FORWARDED)
        return Told(clients, protocols, hosts, ports, prefixes)
    elements = _elements(",".join(headers.getall("Forwarded", ())))
    return Told(
        [each.get("for", "") for each in elements],
        [each.get("proto", "") for each in elements],
        [each.get("host", "") for each in elements],
        (),
        prefixes,
    )


def _entries(headers: Headers, name: str) -> list[str]:
    return [entry.strip() for line in headers.getall(name, ()) for entry in line.split(",")][-MAX_HOPS:]


def _elements(value: str) -> list[dict[str, str]]:
    """Return the elements of Forwarded, from the end of those that can't be read on."""
    elements: list[dict[str, str]] = [{}]
    position = 0
    while position < len(value):
        pair = _PAIR.match(value, position)
        if pair is None:  # so that nothing before it is believed either
            position = value.find(",", position) + 1 or len(value)
            elements = [{}]
            continue
        text = pair[2]
        elements[-1][pair[1].lower()] = re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text
        position = pair.end()
        if pair[3] == ",":
            elements.append({})
    return elements[-MAX_HOPS:]


def _origin(told: Told, hops: int) -> str:
    """Return scheme and authority as the first trusted proxy was asked for them; nothing if it does not tell both."""
    scheme, host = _first(told.protocols, hops).lower(), _first(told.hosts, hops)
    if scheme not in ("http", "https") or not _AUTHORITY.fullmatch(host):
        return ""
    port = _first(told.ports, hops)
    if port and port != {"http": "80", "https": "443"}[scheme] and not re.search(r":\d+\Z", host):
        with_port = f"{host}:{port}"
        host = with_port if _AUTHORITY.fullmatch(with_port) else host
    return f"{scheme}://{host}"


def _first(values: Sequence[str], hops: int) -> str:
    """Return the first of the last few entries; a header with fewer of them was set, and not added to."""
    return values[-hops:][0] if values else ""
