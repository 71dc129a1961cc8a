"""Calls of an identity provider: bounded in time and size, and to no address that it sends on to."""

import ssl
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from service import __version__
from service.client.address import parse_address
from service.client.failures import parse_body, too_large, unreachable
from service.client.proxies import proxy_of
from service.errors import StartupError

TIMEOUT: Final = aiohttp.ClientTimeout(total=15)
LARGEST: Final = 256 * 1024
"""Bytes of an answer."""
_LONGEST: Final = 300
"""Characters of a provider's reason that are shown."""


class Refused(Exception):
    """A refusal by the provider; the text says whose, and why."""

    def __init__(self, who: str, body: Mapping[str, Any], status: int) -> None:
        """Take what it answered."""
        self.error = str(body.get("error", status))[:_LONGEST]
        reason = str(body.get("error_description") or self.error)[:_LONGEST].rstrip(".")
        super().__init__(f"{who} refused: {reason}.")


async def ask(url: str, form: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Ask for a document, or send a form; return the status, and the object of JSON that came.

    Raises:
        Unavailable: it can't be reached.
        StartupError: the address is not safe, or what is answered has no end.
    """
    address = parse_address(url.partition("?")[0], plaintext=False)
    headers = {"Accept": "application/json", "User-Agent": f"flow-pipelines/{__version__}"}
    try:
        async with (
            aiohttp.ClientSession(
                timeout=TIMEOUT,
                headers=headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(ssl=ssl.create_default_context()),
            ) as session,
            session.request(
                "GET" if form is None else "POST",
                url,
                data=form,
                allow_redirects=False,
                proxy=proxy_of(address),
            ) as response,
        ):
            content = await response.content.read(LARGEST + 1)
            while len(content) <= LARGEST and (more := await response.content.read(LARGEST)):
                content += more
            if len(content) > LARGEST:
                raise too_large(address.url)
            return response.status, parse_body(content)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        if isinstance(error, StartupError):
            raise
        raise unreachable(address.url, error) from None
