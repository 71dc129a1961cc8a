"""The controls: a service that does more for a pipeline that is hidden than for one that is not there, and shows it.

MORE says what: a "moment" of thought, or a "statement" to the database.
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
"""To be run in the place of `service`."""
MOMENT: Final = 200e-6
"""Seconds."""

find = pipelines.find


async def find_and_more(
    connection: Connection, organization_id: UUID, user_id: UUID, pipeline_id: UUID
) -> Pipeline | None:
    """pipelines.find, which goes on when it has found one."""
    found = await find(connection, organization_id, user_id, pipeline_id)
    if found is not None and os.environ["MORE"] == "statement":
        await connection.fetch("more", "SELECT 1")
    elif found is not None:
        until = time.perf_counter() + MOMENT
        while time.perf_counter() < until:
            pass
    return found


if __name__ == "__main__":
    setattr(middleware, "NOT_FOUND_SECONDS", 0.0)  # noqa: B010 - a constant
    setattr(pipelines, "find", find_and_more)  # noqa: B010 - of the type that it really has
    main()
