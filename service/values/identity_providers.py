"""The rules of identity providers: what is said of one, by variables or as an object of JSON, and what it means.

All that is said of a provider is a text, or in JSON an object of texts, by the names of the fields of `Provider`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from service.values.ids import parse_uuid
from service.values.masked import quoted
from service.values.names import GROUP_NAME, Rule

ALGORITHMS: Final = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Signatures that may be allowed: by a private key that only the provider has, so never none or HS."""
PROVISIONS: Final = ("never", "on_sign_in")
ROLES: Final = ("member", "pipeline_admin", "admin")
"""The roles by name, the mightier last; permissions/ has what they mean."""

MAX_PROVIDERS: Final = 20
"""Identity providers of an installation."""
MAX_MAPPED: Final = 200
"""Values of a claim that one provider may have mapped."""
MAX_NAME: Final = 60
"""Characters of the name that people know a provider by."""
MAX_TEXT: Final = 500
"""Characters of an issuer, an audience, and the name or value of a claim."""

ISSUER: Final = Rule("1 to 500 characters on one line, as the provider writes it", MAX_TEXT, exact=True)
SUBJECT: Final = Rule("1 to 255 characters on one line, as the provider writes it", 255, exact=True)

_AUTHORITY: Final = re.compile(r"[A-Za-z0-9._:\[\]-]+")
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+")
"""A scope, by RFC 6749, 3.3."""
_ALGORITHM: Final = re.compile(r"[A-Za-z0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class Provider:
    """An identity provider whose tokens are taken, and what their claims mean here."""

    issuer: str
    """Address of the identity provider, exactly as it names itself (`iss`); setting it lets its tokens in."""
    audience: str
    """Audience that a token must be for (`aud`): what the service is registered as at the provider."""
    algorithms: tuple[str, ...] = ALGORITHMS
    """Signatures that are taken, with commas between; fewer than these, where the provider is known to use fewer."""
    provision: str = "never"
    """Fate of a person without a link: `never` refuses them, `on_sign_in` makes them a user."""
    username_claim: str = "preferred_username"
    """Claim that a user who is made on sign-in is called by."""
    groups_claim: str = "groups"
    """Claim whose values OIDC_GROUPS maps; a dot leads into an object, as in `realm_access.roles`."""
    groups: tuple[tuple[str, str], ...] = ()
    """Groups by values of that claim, as a JSON object or as `value=group` with commas between."""
    roles_claim: str = "roles"
    """Claim whose values OIDC_ROLES maps; a dot leads into an object."""
    roles: tuple[tuple[str, str], ...] = ()
    """Roles (`member`, `pipeline_admin`, `admin`) by values of that claim, as in OIDC_GROUPS; the mightiest counts."""
    organization: UUID | None = None
    """Id of the organization whose users come by this provider; unset: the one in which a user is linked."""
    organization_claim: str | None = None
    """Claim that has the id of the organization, in the place of OIDC_ORGANIZATION."""
    client_id: str | None = None
    """Client that the admin page signs in as; a token for it is an ID token, and refused."""
    command_line_client_id: str | None = None
    """Client that `login --sso` signs in as; unset: that of the admin page."""
    scopes: tuple[str, ...] = ("openid", "profile")
    """Scopes that both ask for, with spaces between: `openid`, and what the provider wants for OIDC_AUDIENCE."""
    name: str | None = None
    """Name that people know the provider by, as in "Sign in with …"; unset: its host."""

    @property
    def shown_name(self) -> str:
        """The name for people."""
        return self.name or urlsplit(self.issuer).hostname or self.issuer

    @property
    def public_client_id(self) -> str | None:
        """The client that the command line signs in as, if it may."""
        return self.command_line_client_id or self.client_id


NAMES: Final = tuple(each.name for each in fields(Provider))


def read_provider(said: Mapping[str, Any]) -> Provider:
    """Read what is said of a provider.

    Args:
        said: a text for each name; for groups and roles perhaps an object, for algorithms perhaps a list.

    Raises:
        ValueError: it is not allowed; the text is the name, and the rest of a sentence.
    """
    if unknown := said.keys() - set(NAMES):
        raise ValueError(
            f"{min(unknown)} is nothing that is said of an identity provider: known are {', '.join(NAMES)}"
        )
    read: dict[str, Any] = {
        name: _READ.get(name, _text)(name, value) for name, value in said.items() if value not in ("", None)
    }
    for name in ("issuer", "audience"):
        if name not in read:
            raise ValueError(f"{name} is missing")
    provider = Provider(**read)
    _check_issuer(provider.issuer)
    if provider.provision not in PROVISIONS:
        raise ValueError(f"provision is {quoted(provider.provision)}, but allowed are {', '.join(PROVISIONS)}")
    if provider.organization and provider.organization_claim:
        raise ValueError("organization and organization_claim are both said: leave one of them out")
    for name in ("client_id", "command_line_client_id"):
        if getattr(provider, name) == provider.audience:
            raise ValueError(f"{name} and audience are the same, so that ID tokens would pass for access tokens")
    if len(provider.name or "") > MAX_NAME:
        raise ValueError(f"name must have at most {MAX_NAME} characters")
    return provider


def sign_in_of(provider: Provider, client_id: str | None) -> dict[str, str | None]:
    """Return what a client must know to have people sign in by a provider."""
    scope = " ".join(provider.scopes)
    return {"issuer": provider.issuer, "name": provider.shown_name, "client_id": client_id, "scope": scope}


def origin_of(issuer: str) -> str:
    """Return scheme, host and port of an issuer."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}"


def _check_issuer(issuer: str) -> None:
    if not _is_address(issuer):
        raise ValueError(
            f"issuer is {quoted(issuer)}, but must be https:// and a host, or http:// on this machine alone"
        )


def _is_address(issuer: str) -> bool:
    try:
        parts = urlsplit(issuer)
        more = parts.query or parts.fragment or parts.username or parts.port == 0
    except ValueError:  # half an IPv6 address, or a port that is none
        return False
    plain = parts.scheme == "http" and parts.hostname in _LOCAL
    whole = parts.hostname and _AUTHORITY.fullmatch(parts.netloc)
    return bool(whole) and not more and (parts.scheme == "https" or plain)


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > MAX_TEXT:
        raise ValueError(f"{name} must be a text of at most {MAX_TEXT} characters on one line")
    return value


def _algorithms(name: str, value: object) -> tuple[str, ...]:
    found: object = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list) or not found:
        raise ValueError(f"{name} must be names with commas between, of {', '.join(ALGORITHMS)}")
    stripped = tuple(each.strip() if isinstance(each, str) else "" for each in found)
    if wrong := [each for each in stripped if each not in ALGORITHMS]:
        shown = wrong[0] if _ALGORITHM.fullmatch(wrong[0]) else "no name"
        raise ValueError(f"{name} has {shown}, but allowed are {', '.join(ALGORITHMS)}")
    return stripped


def _scopes(name: str, value: object) -> tuple[str, ...]:
    found = _text(name, value).split() if not isinstance(value, list) else [_text(name, each) for each in value]
    if "openid" not in found or not all(_SCOPE.fullmatch(each) for each in found):
        raise ValueError(f"{name} must be scopes with spaces between, and openid one of them")
    return tuple(dict.fromkeys(found))


def _organization(name: str, value: object) -> UUID:
    found = parse_uuid(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{name} must be an organization's id, as `organization list` shows it")
    return found


def _mapping(name: str, value: object) -> dict[str, str]:
    """Return what the values of a claim are mapped to."""
    wanted = f"{name} must map values of a claim, as value=name with commas between or as an object of JSON"
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ValueError(f"{wanted} ({error})") from error
    if isinstance(value, str):
        pairs = [each.rpartition("=") for each in value.split(",") if each.strip()]
        value = {claim.strip(): to.strip() for claim, _, to in pairs}
    if not isinstance(value, dict) or not all(value) or len(value) > MAX_MAPPED:
        raise ValueError(f"{wanted}, and at most {MAX_MAPPED} of them")
    return {_text(name, claim): _text(name, to) for claim, to in value.items()}


def _groups(name: str, value: object) -> tuple[tuple[str, str], ...]:
    found = _mapping(name, value)
    for to in found.values():
        try:
            GROUP_NAME.check_reference(to)
        except ValueError as error:
            raise ValueError(f"{name} maps to {quoted(to)}, but a group is called {error}") from error
    return tuple(found.items())


def _roles(name: str, value: object) -> tuple[tuple[str, str], ...]:
    found = _mapping(name, value)
    if wrong := [to for to in found.values() if to not in ROLES]:
        raise ValueError(f"{name} maps to {quoted(wrong[0])}, but roles are {', '.join(ROLES)}")
    return tuple(found.items())


_READ: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "algorithms": _algorithms,
    "scopes": _scopes,
    "organization": _organization,
    "groups": _groups,
    "roles": _roles,
}


def read_providers(one: Mapping[str, str], listed: str) -> tuple[Provider, ...]:
    """Read the provider that variables name, if they do, and those of a list, for which variables fill the gaps.

    Raises:
        ValueError: likewise.
    """
    providers = [read_provider(one)] if one.get("issuer") else []
    if listed:
        providers += [_from_list(one, each, place) for place, each in enumerate(_objects(listed), 1)]
    elif not providers and (said := [name for name, value in one.items() if value]):
        raise ValueError(f"{said[0]} is set, but issuer is missing")
    issuers = [each.issuer for each in providers]
    if len({*issuers}) < len(issuers):
        raise ValueError("issuer is the same of two providers: say each once")
    return tuple(providers)


def _objects(listed: str) -> list[Any]:
    wanted = f"issuers must be a list of JSON with an object for each of at most {MAX_PROVIDERS} providers"
    try:
        found = orjson.loads(listed)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"{wanted} ({error})") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found) or len(found) > MAX_PROVIDERS:
        raise ValueError(wanted)
    return found


def _from_list(one: Mapping[str, str], said: Mapping[str, Any], place: int) -> Provider:
    """Read a provider of the list; what it does not say is as variables say, but for whose it is."""
    shared = {name: value for name, value in one.items() if name not in _OF_ONE}
    try:
        return read_provider(shared | dict(said))
    except ValueError as error:
        raise ValueError(f"issuers: provider {place}: {error}") from error


_OF_ONE: Final = ("issuer", "organization", "organization_claim", "client_id", "command_line_client_id", "name")
