"""The identity provider that a server takes sign-ins of, and what that publishes of itself."""

from dataclasses import dataclass
from typing import Any, Final

from service.client.address import Address, parse_address
from service.client.sso.endpoints import ask
from service.errors import FailedPrecondition, StartupError
from service.http.protected_resource import PATH, SIGN_IN

_LONGEST: Final = 2000
_TEXTS: Final = ("issuer", "name", "client_id", "scope")


@dataclass(frozen=True, slots=True)
class SignInOffer:
    """A provider by which people sign in to a server, as the server says."""

    issuer: str
    name: str
    client_id: str
    scope: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of a provider, as it says itself; None for what it does not offer."""

    authorization: str
    token: str
    device: str | None
    revocation: str | None
    names_issuer: bool
    """True if its answers say whose they are (RFC 9207)."""


async def find_offer(server: Address, issuer: str | None) -> SignInOffer:
    """Ask a server which provider it takes sign-ins of.

    Args:
        server: the one that is asked.
        issuer: the provider that is meant, where there are several.

    Raises:
        FailedPrecondition: it takes none, or several and none is said.
    """
    status, body = await ask(server.url + PATH)
    listed = body.get(SIGN_IN)
    offers = [found for each in listed if (found := _offer(each))] if isinstance(listed, list) else []
    if status != 200 or not offers:
        raise FailedPrecondition(f"{server.url} takes no sign-in by an identity provider: log in by a token.")
    chosen = [each for each in offers if issuer in {None, each.issuer}]
    if len(chosen) != 1:
        known = ", ".join(each.issuer for each in offers)
        raise FailedPrecondition(f"Say by --issuer which identity provider is meant: {server.url} takes {known}.")
    return chosen[0]


def _offer(said: Any) -> SignInOffer | None:
    if not isinstance(said, dict):
        return None
    texts = [said.get(name) for name in _TEXTS]
    if not all(isinstance(each, str) and 0 < len(each) <= _LONGEST and each.isprintable() for each in texts):
        return None
    return SignInOffer(*texts)  # type: ignore[arg-type] # all of them are texts


async def find_endpoints(issuer: str) -> Endpoints:
    """Ask a provider for its addresses, each of which must be safe.

    Raises:
        StartupError: what it says is not of itself, or not what signing in takes.
    """
    status, body = await ask(issuer.removesuffix("/") + "/.well-known/openid-configuration")
    if status != 200 or body.get("issuer") != issuer:
        raise StartupError(f"{issuer} does not say of itself what signing in takes: see that it is the provider's.")
    return Endpoints(
        _address(issuer, body, "authorization_endpoint"),
        _address(issuer, body, "token_endpoint"),
        _address_if_any(issuer, body, "device_authorization_endpoint"),
        _address_if_any(issuer, body, "revocation_endpoint"),
        body.get("authorization_response_iss_parameter_supported") is True,
    )


def _address_if_any(issuer: str, body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else _address(issuer, body, name)


def _address(issuer: str, body: dict[str, Any], name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str) or not found.isprintable():
        raise StartupError(f"{issuer} does not say its {name}, which signing in takes.")
    parse_address(found.partition("?")[0], plaintext=False)
    return found
