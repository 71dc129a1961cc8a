"""A control: a service that takes what an identity provider answers, and lets any number of requests wait for it.

Nothing is held, either: in turns, the service's own tokens would have theirs begun before what waits for the provider.
"""

from typing import Any, Final

import aiohttp

from service.__main__ import main
from service.authentication.oidc import fetching, keys
from tests.bench.without import STEPS

MODULE: Final = __name__
"""The module to run in the place of `service`."""

get = aiohttp.ClientSession.get


def _get_anywhere(self: aiohttp.ClientSession, url: str, **options: Any) -> Any:
    """Replace ClientSession.get, and follow redirects."""
    return get(self, url, **{**options, "allow_redirects": True})


if __name__ == "__main__":
    for owner, name, replacement in (
        (fetching, "MAX_BYTES", 2**40),
        (keys, "MAX_WAITING", 10**6),
        (keys, "WAITING_SHARE", 10**6),
        (aiohttp.ClientSession, "get", _get_anywhere),
    ):
        setattr(owner, name, replacement)
    STEPS["holding"]()
    main()
