"""Sign-in at the identity provider of a server."""

from collections.abc import Callable

from service.client.address import Address
from service.client.sso.device import sign_in_by_device
from service.client.sso.discovery import find_endpoints, find_offer
from service.client.sso.endpoints import Refused
from service.client.sso.kept import KeptSignIn
from service.client.sso.loopback import has_browser, sign_in_by_browser
from service.errors import Unauthenticated


async def sign_in(
    server: Address, *, issuer: str | None, device: bool, port: int, tell: Callable[[str], None]
) -> KeptSignIn:
    """Have a person sign in, by the browser of this machine if it has one, else by a code if the provider takes that.

    Args:
        server: the one whose provider it is, and that will be sent its tokens.
        issuer: the provider, where the server has several.
        device: True for a code in any case.
        port: of this machine, to come back to; 0: any.
        tell: tells the person where to go.

    Raises:
        Unauthenticated: the provider does not let them in.
        FailedPrecondition: the server has no such provider.
        Unavailable: one of both can't be reached.
        StartupError: one of both does not say what it takes.
    """
    offer = await find_offer(server, issuer)
    endpoints = await find_endpoints(offer.issuer)
    try:
        if device or (endpoints.device is not None and port == 0 and not has_browser()):
            return await sign_in_by_device(offer, endpoints, tell)
        return await sign_in_by_browser(offer, endpoints, port, tell)
    except Refused as error:
        raise Unauthenticated(str(error)) from None
