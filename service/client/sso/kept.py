"""The tokens of a sign-in, as they are kept in the place of a token, and renewed when they end."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from time import time
from typing import Any, Final

from service.client.sso.discovery import Endpoints, SignInOffer, find_endpoints
from service.client.sso.endpoints import Refused, ask
from service.errors import ServiceError, StartupError, Unauthenticated

EARLY: Final = 30.0
"""Seconds before its end at which an access token is renewed; one that lives shortly, after half of its life."""
UNTOLD: Final = 60.0
"""Seconds that an access token is taken to live for where the provider does not say."""


@dataclass(frozen=True, slots=True)
class KeptSignIn:
    """Tokens that a provider has granted, with what it takes to renew them."""

    issuer: str
    client_id: str
    access: str = field(repr=False)
    expires: float
    """Seconds since 1970 from which on it is renewed: shortly before the access token ends."""
    refresh: str | None = field(default=None, repr=False)

    @property
    def is_good(self) -> bool:
        """True as long as it need not be renewed."""
        return self.expires > time()

    def written(self) -> str:
        """Return it as a text, which no token can be."""
        return json.dumps(asdict(self), separators=(",", ":"))


def parse_kept(text: str) -> KeptSignIn | None:
    """Return the sign-in that is kept as a text; None if that is a token.

    Raises:
        StartupError: it is neither.
    """
    if not text.startswith("{"):
        return None
    try:
        found = KeptSignIn(**json.loads(text))
        texts = (found.issuer, found.client_id, found.access, found.refresh or "")
        if not all(isinstance(each, str) for each in texts) or not isinstance(found.expires, int | float):
            raise TypeError
    except (ValueError, TypeError):
        raise StartupError("What is kept of the sign-in can't be read: log in anew.") from None
    return found


def granted(offer: SignInOffer, body: Mapping[str, Any]) -> KeptSignIn:
    """Return what a provider's answer grants.

    Raises:
        StartupError: it is nothing that can be used.
    """
    access, refresh, lives = body.get("access_token"), body.get("refresh_token"), body.get("expires_in")
    is_bearer = str(body.get("token_type", "bearer")).lower() == "bearer"  # one of another kind would be refused
    if (
        not is_bearer
        or not isinstance(access, str)
        or not access.isascii()
        or not access.isprintable()
        or " " in access
    ):
        raise StartupError(f"{offer.name} gave no token that can be used: tell an administrator.")
    seconds = float(lives) if isinstance(lives, int | float) and not isinstance(lives, bool) and lives > 0 else UNTOLD
    expires = time() + max(seconds - EARLY, seconds / 2)
    return KeptSignIn(offer.issuer, offer.client_id, access, expires, refresh if isinstance(refresh, str) else None)


async def request_tokens(offer: SignInOffer, endpoints: Endpoints, form: Mapping[str, str]) -> KeptSignIn:
    """Ask a provider for tokens.

    Raises:
        Refused: it gives none.
    """
    status, body = await ask(endpoints.token, {"client_id": offer.client_id, **form})
    if status != 200:
        raise Refused(offer.name, body, status)
    return granted(offer, body)


async def renew(kept: KeptSignIn, server: str) -> KeptSignIn:
    """Return a sign-in with another access token.

    Raises:
        Unauthenticated: it has ended; the sentence says how to sign in anew.
        Unavailable: the provider can't be reached.
    """
    ended = f"The sign-in for {server} has ended: `login {server} --sso` signs in anew."
    if kept.refresh is None:
        raise Unauthenticated(ended)
    offer = SignInOffer(kept.issuer, kept.issuer, kept.client_id, "")
    form = {"grant_type": "refresh_token", "refresh_token": kept.refresh}
    try:
        found = await request_tokens(offer, await find_endpoints(kept.issuer), form)
    except Refused as error:
        raise Unauthenticated(f"{error} {ended}") from None
    return replace(found, refresh=found.refresh or kept.refresh)


async def revoke(kept: KeptSignIn) -> None:
    """Tell the provider that the refresh token is used no more; what stands in the way of that matters to nobody."""
    if kept.refresh is None:
        return
    try:
        if address := (await find_endpoints(kept.issuer)).revocation:
            form = {"client_id": kept.client_id, "token": kept.refresh, "token_type_hint": "refresh_token"}
            await ask(address, form)
    except (ServiceError, StartupError):
        return
