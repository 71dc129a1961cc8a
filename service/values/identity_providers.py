"""The rules of identity providers: what is said of one, by variables or as an object of JSON, and what it means.

All that is said of a provider is a text, or in JSON an object of texts, by the names of the fields of `Provider`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
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


class WrongProviders(ValueError):
    """Statements on identity providers that are not allowed: each argument is a sentence on one, without its period."""


Spell = Callable[[str], str]
"""The writer of a name in sentences: as that of a variable, for one."""


def read_provider(said: Mapping[str, Any], spell: Spell = str) -> Provider:
    """Read what is said of a provider.

    Args:
        said: a text for each name; for groups and roles perhaps an object, for algorithms perhaps a list.
        spell: writes the names in sentences.

    Raises:
        WrongProviders: it is not allowed.
    """
    read: dict[str, Any] = {}
    wrong = [
        f"{name} is nothing that is said of an identity provider: known are {', '.join(NAMES)}"
        for name in sorted(said.keys() - set(NAMES))[:1]
    ]
    for name in NAMES:
        value = said.get(name)
        if value not in ("", None):
            try:
                read[name] = _READ.get(name, _text)(spell(name), value)
            except ValueError as error:
                wrong.append(str(error))
        elif name in ("issuer", "audience"):
            wrong.append(f"{spell(name)} is missing")
    wrong += _wrong_together(read, spell)
    if wrong:
        raise WrongProviders(*wrong)
    return Provider(**read)


def _wrong_together(read: Mapping[str, Any], spell: Spell) -> Iterator[str]:
    """Yield what is wrong with values that are readable, alone or beside each other."""
    if "issuer" in read and not _is_address(read["issuer"]):
        yield (
            f"{spell('issuer')} is {quoted(read['issuer'])}, but must be https:// and a host, or http:// on this"
            " machine alone"
        )
    if read.get("provision", "never") not in PROVISIONS:
        yield f"{spell('provision')} is {quoted(read['provision'])}, but allowed are {', '.join(PROVISIONS)}"
    if "organization" in read and "organization_claim" in read:
        yield f"{spell('organization')} and {spell('organization_claim')} are both said: leave one of them out"
    for name in ("client_id", "command_line_client_id"):
        if name in read and read[name] == read.get("audience"):
            yield (
                f"{spell(name)} and {spell('audience')} are the same, so that ID tokens would pass for access tokens"
            )
    if len(read.get("name", "")) > MAX_NAME:
        yield f"{spell('name')} must have at most {MAX_NAME} characters"


def sign_in_of(provider: Provider, client_id: str | None) -> dict[str, str | None]:
    """Return what a client must know to have people sign in by a provider."""
    scope = " ".join(provider.scopes)
    return {"issuer": provider.issuer, "name": provider.shown_name, "client_id": client_id, "scope": scope}


def origin_of(issuer: str) -> str:
    """Return scheme, host and port of an issuer."""
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}"


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


def read_providers(one: Mapping[str, str], listed: str, spell: Spell = str) -> tuple[Provider, ...]:
    """Read the provider that variables name, if they do, and those of a list, for which variables fill the gaps.

    Raises:
        WrongProviders: likewise.
    """
    providers: list[Provider] = []
    wrong: list[str] = []
    if one.get("issuer"):
        try:
            providers.append(read_provider(one, spell))
        except WrongProviders as error:
            wrong += error.args
    elif not listed and (said := [name for name, value in one.items() if value]):
        wrong.append(f"{spell(said[0])} is set, but {spell('issuer')} is missing")
    try:
        objects = _objects(listed, spell) if listed else []
    except WrongProviders as error:
        objects, wrong = [], [*wrong, *error.args]
    for place, each in enumerate(objects, 1):
        try:
            providers.append(_from_list(one, each))
        except WrongProviders as error:
            wrong += (f"{spell('issuers')}: provider {place}: {sentence}" for sentence in error.args)
    issuers = [each.issuer for each in providers]
    if len({*issuers}) < len(issuers):
        wrong.append(f"{spell('issuer')} is the same of two providers: say each once")
    if wrong:
        raise WrongProviders(*wrong)
    return tuple(providers)


def _objects(listed: str, spell: Spell) -> list[Any]:
    wanted = f"{spell('issuers')} must be a list of JSON with an object for each of at most {MAX_PROVIDERS} providers"
    try:
        found = orjson.loads(listed)
    except orjson.JSONDecodeError as error:
        raise WrongProviders(f"{wanted} ({error})") from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found) or len(found) > MAX_PROVIDERS:
        raise WrongProviders(wanted)
    return found


def _from_list(one: Mapping[str, str], said: Mapping[str, Any]) -> Provider:
    """Read a provider of the list; what it does not say is as variables say, but for whose it is."""
    shared = {name: value for name, value in one.items() if name not in _OF_ONE}
    return read_provider(shared | dict(said))


_OF_ONE: Final = ("issuer", "organization", "organization_claim", "client_id", "command_line_client_id", "name")
