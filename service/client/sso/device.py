"""Sign-in by the browser of any machine: a code is typed there, while this program asks whether it was (RFC 8628)."""

import asyncio
import secrets
from collections.abc import Callable
from time import monotonic
from typing import Final

from service.client.address import parse_address
from service.client.sso.discovery import Endpoints, SignInOffer
from service.client.sso.endpoints import Refused, ask
from service.client.sso.kept import KeptSignIn, request_tokens
from service.client.sso.loopback import challenge_of
from service.errors import FailedPrecondition, StartupError, Unavailable

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST: Final = 1800.0
"""Seconds that a person has at most, whatever the provider says."""
_INTERVAL: Final = 5.0
"""Seconds between two questions where the provider does not say."""

_PAUSE: Final = 5
"""Seconds more between two questions, where the provider asks for fewer or can't answer."""
_WAITING: Final = frozenset({"authorization_pending", "slow_down"})
"""Refusals of a code that was not typed yet."""


async def sign_in_by_device(offer: SignInOffer, endpoints: Endpoints, tell: Callable[[str], None]) -> KeptSignIn:
    """Have a person sign in elsewhere, and return what the provider grants.

    Raises:
        FailedPrecondition: the provider does not offer it.
        Refused: the provider does not let them in.
        StartupError: they took too long.
    """
    if endpoints.device is None:
        raise FailedPrecondition(f"{offer.name} takes no sign-in by a code: leave out --device.")
    verifier = secrets.token_urlsafe(48)  # as Keycloak asks for PKCE here too, where it does for the client
    form = {"client_id": offer.client_id, "scope": offer.scope, **challenge_of(verifier)}
    status, body = await ask(endpoints.device, form)
    if status != 200:
        raise Refused(offer.name, body, status)
    code, shown, place = (body.get(name) for name in ("device_code", "user_code", "verification_uri"))
    if not (isinstance(code, str) and isinstance(shown, str) and isinstance(place, str)):
        raise StartupError(f"{offer.name} gave no code that can be used: tell an administrator.")
    parse_address(place.partition("?")[0], plaintext=False)
    tell(f"Open {place} on any machine, sign in with {offer.name}, and type the code {shown}")
    interval, ends = _seconds(body.get("interval"), _INTERVAL), monotonic() + _seconds(body.get("expires_in"), LONGEST)
    form = {"grant_type": GRANT, "device_code": code, "code_verifier": verifier}
    while True:
        await asyncio.sleep(interval)
        try:
            return await request_tokens(offer, endpoints, form)
        except Unavailable:  # the person may be about to type the code (RFC 8628, 3.5)
            if monotonic() > ends:
                raise
            interval += _PAUSE
        except Refused as error:
            if error.error == "expired_token" or (error.error in _WAITING and monotonic() > ends):
                raise StartupError("Nobody signed in before the code expired: begin again.") from None
            if not (error.error in _WAITING or (error.passes and monotonic() <= ends)):
                raise
            interval += _PAUSE * (error.error != "authorization_pending")


def _seconds(value: object, otherwise: float) -> float:
    """Return a number of seconds as a provider has said it, within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= LONGEST:
        return otherwise
    return float(value)
