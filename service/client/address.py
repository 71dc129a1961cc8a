"""The address of a server, as people give it."""

import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from service.errors import StartupError

PLAINTEXT_OPTION: Final = "--plaintext"
LONGEST: Final = 2000
"""Characters of an address."""


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server: scheme, host, perhaps port and path, without a slash at its end."""

    url: str
    host: str
    name: str
    """The name of a context for it, unless another is given."""
    plaintext: bool
    """True if nothing is encrypted on the way."""

    @property
    def is_loopback(self) -> bool:
        """True if what is sent there stays on this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(text: str, *, plaintext: bool) -> Address:
    """Parse the address of a server.

    Args:
        text: what a person has given; without a scheme, https is meant.
        plaintext: True if they have said that the token may be sent over a network as it is.

    Raises:
        StartupError: it is none, or the token would be sent where others on the way can read it.
    """
    if not text:
        raise StartupError("The address of the server is empty: give one such as https://pipelines.example.com.")
    shown = _without_secret(text if len(text) <= LONGEST else f"{text[:50]}...")
    if len(text) > LONGEST or not text.isprintable() or any(each.isspace() for each in text):
        raise StartupError(f"{shown} is no address of a server: give one such as https://pipelines.example.com.")
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host, port = parts.hostname, parts.port
        (host or "").encode("idna" if not (host or "").isascii() else "ascii")
    except ValueError as error:
        raise StartupError(f"{shown} is no address of a server: {error}.") from None
    if parts.username is not None or parts.password is not None:
        raise StartupError(
            f"{shown}: an address has no user or password in it. The token is asked for, or comes by"
            " standard input or FLOW_PIPELINES_TOKEN."
        )
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise StartupError(f"{shown} is no address of a server: give one such as https://pipelines.example.com.")
    in_brackets = f"[{host}]" if ":" in host else host
    default = {"https": 443, "http": 80}[parts.scheme]
    place = in_brackets if port in {None, default} else f"{in_brackets}:{port}"
    address = Address(
        f"{parts.scheme}://{place}{parts.path.rstrip('/')}", host, place, plaintext=parts.scheme == "http"
    )
    if address.plaintext and not plaintext and not address.is_loopback:
        raise StartupError(
            f"{address.url} is not encrypted, and a token sent there can be read on its way: give its https address, or"
            f" {PLAINTEXT_OPTION} if that way is safe."
        )
    return address


def _without_secret(text: str) -> str:
    """Return an address without what stands before an @, which may be a password."""
    scheme, separator, rest = text.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
