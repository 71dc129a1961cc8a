"""The control: a service that leaves it to asyncpg to find the primary among several hosts."""

from typing import Any, Final

import asyncpg

from service.__main__ import main
from service.database.connector import Connector

MODULE: Final = __name__
"""To be run in the place of `service`."""


async def connect_plainly(self: Connector, _: str | None = None, **options: Any) -> Any:
    """Connector.connect without its own rules."""
    return await asyncpg.connect(self._dsn, **options)


if __name__ == "__main__":
    setattr(Connector, "connect", connect_plainly)  # noqa: B010 - of the type that it really has
    main()
