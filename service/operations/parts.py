"""Changes in parts: what is too large for one transaction goes in several, each of which is complete in itself.

Whatever ends a call between two of them, what was done stays, and the same call goes on with what is left.
"""

from time import monotonic
from typing import Final, Protocol

from service.errors import Aborted
from service.operations.call import Call

PARTS_SECONDS: Final = 4.0
"""Seconds after which a call that changes much begins no further part; at the command line it has no end."""


class Part(Protocol):
    """One transaction of a change, which proves the authority of the call."""

    async def __call__(self, *, first: bool) -> str | None:
        """Make the next part.

        Args:
            first: True for the first one. What the caller has seen is compared by that one alone where parts change it.

        Returns:
            None if that was the last part. Otherwise the sentences for the caller, should no other follow in this call:
            what is done, and that the same call goes on.
        """


async def in_parts(call: Call, part: Part) -> None:
    """Make a change in as many transactions as it takes.

    Raises:
        Aborted: the time of the call does not suffice; the same call goes on.
    """
    started = monotonic()
    unfinished = await part(first=True)
    while unfinished is not None:
        if call.batches is not None and monotonic() - started > PARTS_SECONDS:
            raise Aborted(unfinished)
        unfinished = await part(first=False)
