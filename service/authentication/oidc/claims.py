"""The meaning of claims here: scopes, groups, a role, an organization, a username. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID

from service.permissions import SCOPE_BITS, Role, mightier, scope_set
from service.values.identity_providers import Provider
from service.values.ids import parse_uuid
from service.values.names import USERNAME

_SCOPE_CLAIMS: Final = ("scope", "scp")
"""RFC 9068's name, a text with spaces between, and that of Entra and Okta, a text or a list."""
_PREFIX: Final = "flow_pipeline:"


def find_claim(claims: Mapping[str, Any], name: str) -> object:
    """Return a claim by its name; a dot leads into an object, where no claim has the whole name."""
    if name in claims:
        return claims[name]
    first, _, rest = name.partition(".")
    inner = claims.get(first)
    return find_claim(inner, rest) if rest and isinstance(inner, Mapping) else None


def texts_of(value: object) -> list[str]:
    """Return the texts that a claim has: itself, or those of a list."""
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def scopes_of(claims: Mapping[str, Any]) -> int | None:
    """Return the scopes of ours that a token has; None for one that names none, and so may all that its user may.

    Others, such as `openid`, say nothing about this service. One that is meant for it and misspelt allows nothing, but
    narrows.
    """
    named = [scope for name in _SCOPE_CLAIMS for text in texts_of(claims.get(name)) for scope in text.split()]
    found = [scope for scope in named if scope in SCOPE_BITS]
    is_narrowed = found or any(scope.lower().startswith(_PREFIX) for scope in named)
    return scope_set(found) if is_narrowed else None


def groups_of(claims: Mapping[str, Any], provider: Provider) -> tuple[tuple[str, str], ...]:
    """Return the groups that a token's claims are mapped to, in lower case, each with the value that is."""
    found = {name.lower(): value for value, name in _mapped(claims, provider.groups_claim, provider.groups)}
    return tuple(found.items())


def role_of(claims: Mapping[str, Any], provider: Provider) -> tuple[Role | None, str | None]:
    """Return the mightiest role that a token's claims are mapped to, and the value that is; None if none is."""
    found: tuple[Role | None, str | None] = None, None
    for value, name in _mapped(claims, provider.roles_claim, provider.roles):
        role = Role(name)
        if found[0] is None or mightier(found[0], role) is not found[0]:
            found = role, value
    return found


def _mapped(claims: Mapping[str, Any], claim: str, mapping: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    values = {*texts_of(find_claim(claims, claim))}
    return ((value, name) for value, name in mapping if value in values)


def organization_of(claims: Mapping[str, Any], provider: Provider) -> tuple[bool, UUID | None]:
    """Return whether it is known to which organization a token leads, and which; None: where its subject is linked."""
    if provider.organization_claim is None:
        return True, provider.organization
    named = find_claim(claims, provider.organization_claim)
    found = parse_uuid(named) if isinstance(named, str) else None
    return found is not None, found


def username_of(claims: Mapping[str, Any], provider: Provider) -> str | None:
    """Return the name of a user who is made on sign-in; None if the claim has none that a user may have."""
    try:
        return USERNAME.check(find_claim(claims, provider.username_claim))
    except ValueError:
        return None
