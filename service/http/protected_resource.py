"""Metadata for clients that come by an identity provider: OAuth 2.0 Protected Resource Metadata (RFC 9728)."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from service.http.public_address import PublicAddresses
from service.http.responses import encode
from service.values.identity_providers import Provider, sign_in_of

PATH: Final = "/.well-known/oauth-protected-resource"
SIGN_IN: Final = "flow_sign_in"
"""The parameter of our own: providers with the client that the command line signs in as."""


def add_protected_resource(app: web.Application, addresses: PublicAddresses, providers: Sequence[Provider]) -> None:
    """Serve it where there are identity providers; it says what the admin page says, and takes no token."""
    if not providers:
        return
    offered = [each for each in providers if each.public_client_id is not None]
    known = {
        "authorization_servers": [each.issuer for each in providers],
        "scopes_supported": sorted({scope for each in providers for scope in each.scopes}),
        "bearer_methods_supported": ["header"],
        SIGN_IN: [sign_in_of(each, each.public_client_id) for each in offered],
    }

    async def answer(request: web.Request) -> web.Response:
        address = addresses.of(request)
        origin = address.origin or str(request.url.origin())
        body = encode({"resource": f"{origin}{address.prefix}", **known})
        headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=body, content_type="application/json", headers=headers)

    app.router.add_get(PATH, answer)
