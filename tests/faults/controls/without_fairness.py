"""A control: a service with connections for who asked first, and batches that have no bound but in requests."""

from typing import Any, Final

from service.__main__ import main
from service.batching import job_updates, tenants
from service.database.fair_queue import FairQueue
from service.http.turns import Turns
from service.operations import read_turns

MODULE: Final = __name__
"""The module to run in the place of `service`."""

acquire, release = FairQueue.acquire, FairQueue.release


async def acquire_for_anybody(self: FairQueue, _: Any) -> None:
    """Replace FairQueue.acquire: all wait in one lane."""
    await acquire(self, None)


def take_nothing_at_once(_: FairQueue, __: Any) -> bool:
    """Replace FairQueue.acquire_at_once: all places are acquired in that lane."""
    return False


def release_for_anybody(self: FairQueue, _: Any) -> None:
    """Replace FairQueue.release, likewise."""
    release(self, None)


def release_without_rest(self: FairQueue, _: Any, __: float) -> None:
    """Replace FairQueue.release_rested: nothing rests."""
    release(self, None)


def begin_at_once(_: Turns, handler: Any, __: Any) -> None:
    """Replace Turns.begin: all requests that have come are begun."""
    handler.set_result(None)


if __name__ == "__main__":
    setattr(FairQueue, "acquire", acquire_for_anybody)  # noqa: B010 - of the type that it really has
    setattr(FairQueue, "acquire_at_once", take_nothing_at_once)  # noqa: B010 - likewise
    setattr(FairQueue, "release", release_for_anybody)  # noqa: B010 - likewise
    setattr(FairQueue, "release_rested", release_without_rest)  # noqa: B010 - likewise
    setattr(job_updates, "MAX_PIPELINES_IN_BATCH", 1000)  # noqa: B010 - a constant
    setattr(job_updates, "MAX_PIPELINES_PER_BATCH", 64_000)  # noqa: B010 - a constant
    setattr(read_turns, "MAX_READS", 1000)  # noqa: B010 - a constant
    setattr(tenants, "MANY", 1_000_000)  # noqa: B010 - a constant
    setattr(Turns, "begin", begin_at_once)  # noqa: B010 - likewise
    main()
