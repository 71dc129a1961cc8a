"""The network, by httpx: what calls of servers and of identity providers share. Nothing else loads httpx."""

import ssl
import urllib.request
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

from flow_pipelines_client.reasons import reason_of
from service.client.address import Address
from service.errors import StartupError, Unavailable
from service.version import __version__

FAILURES: Final = (httpx.RequestError, TimeoutError)
"""The errors of a call that no answer came of."""


def proxy_of(address: Address) -> str | None:
    """Return the proxy that leads to an address, if one does; none leads to this machine itself."""
    if address.is_loopback or urllib.request.proxy_bypass(address.host):
        return None
    found = urllib.request.getproxies().get("http" if address.plaintext else "https")
    return found if not found or "://" in found else f"http://{found}"


def open_http(address: Address) -> httpx.AsyncClient:
    """Return what calls an address: by the proxy that leads there, trusting whom OpenSSL trusts, without cookies.

    Raises:
        StartupError: the address or the proxy's can't be used.
    """
    try:
        httpx.URL(address.url)
    except httpx.InvalidURL as error:
        raise StartupError(f"{address.url} is no address of a server: {error}.") from None
    proxy = proxy_of(address)
    by_tls = proxy is not None and proxy.startswith("https:")
    # Where nothing is encrypted no authority is asked, and to load all of them takes as long as a call.
    plain = address.plaintext and not by_tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else ssl.create_default_context()
    try:
        return httpx.AsyncClient(
            verify=context,
            proxy=None if proxy is None else httpx.Proxy(proxy, ssl_context=context if by_tls else None),
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            headers={"User-Agent": f"flow-pipelines/{__version__}"},
        )
    except (ValueError, ImportError, httpx.InvalidURL):
        raise StartupError(
            "The proxy that HTTPS_PROXY or HTTP_PROXY names can't be used: give one such as http://proxy.example:3128."
        ) from None


def unreachable(address: Address, error: BaseException) -> Unavailable:
    """Return the error for an address that can't be reached, or was lost; its sentence says why, and what helps."""
    reason = reason_of(error, by_proxy=proxy_of(address) is not None)
    return Unavailable(f"The server {address.url} can't be reached: {reason}")
