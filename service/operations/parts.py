"""Changes in parts: what is too large for one transaction goes in several, each of which is complete in itself.

Whatever ends a call between two of them, what was done stays, and the same call goes on with what is left.
"""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from service.errors import Aborted
from service.operations.call import Call

PARTS_SECONDS: Final = 4.0
"""Seconds after which a call that changes much begins no further part; at the command line it has no end."""


async def in_parts(call: Call, part: Callable[[], Awaitable[bool]], unfinished: Callable[[], str]) -> None:
    """Make a change in as many transactions as it takes.

    Args:
        call: the call, whose authority each part proves.
        part: makes the next part, and returns whether that was the last one.
        unfinished: returns the sentences that say what was done, if the time of the call does not suffice.

    Raises:
        Aborted: it does not; the same call goes on.
    """
    started = monotonic()
    while not await part():
        if call.batches is not None and monotonic() - started > PARTS_SECONDS:
            raise Aborted(unfinished())
