"""Calls of an identity provider: bounded in time and size, and to no address that it sends on to."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

from service.client.address import parse_address
from service.client.missing import client_missing
from service.errors import StartupError

TIMEOUT: Final = 15.0
"""Seconds of a call."""
LARGEST: Final = 256 * 1024
"""Bytes of an answer."""
_LONGEST: Final = 300
"""Characters of a provider's reason that are shown."""


class Refused(Exception):
    """A refusal by the provider; the text says whose, and why."""

    def __init__(self, who: str, body: Mapping[str, Any], status: int) -> None:
        """Take what it answered."""
        self.passes = status >= 500 or status == 429
        """True if the provider can't answer now."""
        self.error = str(body.get("error", status))[:_LONGEST]
        reason = str(body.get("error_description") or self.error)[:_LONGEST].rstrip(".")
        super().__init__(f"{who} refused: {reason}.")


async def ask(url: str, form: Mapping[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Ask for a document, or send a form; return the status, and the object of JSON that came.

    Raises:
        Unavailable: it can't be reached.
        StartupError: the address is not safe, what is answered has no end, or the Python client is not installed.
    """
    try:
        from service.client.network import FAILURES, open_http, unreachable  # noqa: PLC0415 - loads httpx
    except ImportError as error:
        raise client_missing(error) from None
    address = parse_address(url.partition("?")[0], plaintext=False)
    method, content = "GET" if form is None else "POST", bytearray()
    try:
        async with (
            asyncio.timeout(TIMEOUT),
            open_http(address) as http,
            http.stream(method, url, data=form, headers={"Accept": "application/json"}) as response,
        ):
            async for part in response.aiter_bytes():
                content += part
                if len(content) > LARGEST:
                    raise StartupError(
                        f"{address.url} answered more than any answer of the service has: see that it is its address."
                    )
            return response.status_code, _parse(content)
    except FAILURES as error:
        raise unreachable(address, error) from None


def _parse(content: bytearray) -> dict[str, Any]:
    """Return an answer that is a JSON object; an empty one if it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
