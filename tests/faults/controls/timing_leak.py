"""Controls: a service that takes longer for a hidden pipeline than for an absent one, without a minimum time of a 404.

The environment's MORE says what it takes longer for: a "moment" of computing, or a "statement" to the database.
"""

import os
import time
from typing import Final
from uuid import UUID

from service.__main__ import main
from service.database.pool import Connection
from service.http import middleware
from service.repositories import pipelines
from service.repositories.pipelines import Pipeline

MODULE: Final = __name__
"""The module to run in the place of `service`."""
EXTRA_SECONDS: Final = 200e-6
"""Seconds."""

find = pipelines.find


async def find_with_extra_work(
    connection: Connection, organization_id: UUID, user_id: UUID, pipeline_id: UUID
) -> Pipeline | None:
    """Replace pipelines.find, with additional work if the pipeline exists."""
    found = await find(connection, organization_id, user_id, pipeline_id)
    if found is not None and os.environ["MORE"] == "statement":
        await connection.fetch("more", "SELECT 1")
    elif found is not None:
        until = time.perf_counter() + EXTRA_SECONDS
        while time.perf_counter() < until:
            pass
    return found


if __name__ == "__main__":
    setattr(middleware, "NOT_FOUND_SECONDS", 0.0)  # noqa: B010 - a constant
    setattr(pipelines, "find", find_with_extra_work)  # noqa: B010 - of the type that it really has
    main()
