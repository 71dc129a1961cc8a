"""Documents of identity providers, fetched without trust: bounded in time and size, and from nowhere else."""

import asyncio
from typing import Any, Final

import aiohttp
import orjson

TIMEOUT: Final = 5.0
"""Seconds for a document to come whole, and for both that keys take: less than a request may take by default."""
MAX_BYTES: Final = 256 * 1024
"""Bytes of a document; key sets of large providers have 20 KiB."""


class FetchError(Exception):
    """A document that did not come, or is none."""


async def fetch_json(url: str) -> dict[str, Any]:
    """Fetch an object of JSON.

    By a connection of its own, as it happens every few minutes. No redirect is followed, and nothing is decompressed.

    Raises:
        FetchError: it did not come in time, was too large, or is no object.
    """
    try:
        async with asyncio.timeout(TIMEOUT), aiohttp.ClientSession(auto_decompress=False) as session:
            headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
            async with session.get(url, allow_redirects=False, headers=headers) as response:
                if response.status != 200:
                    raise FetchError(f"{url} answered {response.status}")
                body = await _read(response)
    except TimeoutError as error:
        raise FetchError(f"{url} did not answer within {TIMEOUT:g} s") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise FetchError(f"{url}: {type(error).__name__}: {error}") from error
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise FetchError(f"{url} did not answer JSON") from error
    if not isinstance(found, dict):
        raise FetchError(f"{url} did not answer an object of JSON")
    return found


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read a body up to MAX_BYTES.

    Raises:
        FetchError: it is longer.
    """
    body = b""
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > MAX_BYTES:
            raise FetchError(f"{response.url} answered more than {MAX_BYTES // 1024} KiB")
    return body
