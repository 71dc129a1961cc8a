"""The proxies that the environment names."""

import urllib.request

from service.client.address import Address


def proxy_of(address: Address) -> str | None:
    """Return the proxy that leads to an address, if one does; none leads to this machine itself."""
    if address.is_loopback or urllib.request.proxy_bypass(address.host):
        return None
    return urllib.request.getproxies().get("http" if address.plaintext else "https")
