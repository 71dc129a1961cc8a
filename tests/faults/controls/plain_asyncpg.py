"""A control: a service that leaves the choice of the primary among several hosts to asyncpg."""

from typing import Any, Final

import asyncpg

from service.__main__ import main
from service.database.connector import Connector

MODULE: Final = __name__
"""The module to run in the place of `service`."""


async def connect(self: Connector, _: str | None = None, **options: Any) -> Any:
    """Replace Connector.connect, without its search for the primary and its pacing."""
    settings = self._settings | options.get("server_settings", {})
    return await asyncpg.connect(self._dsn, **options | {"server_settings": settings})


if __name__ == "__main__":
    setattr(Connector, "connect", connect)  # noqa: B010 - of the type that it really has
    main()
