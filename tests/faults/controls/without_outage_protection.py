"""Controls: a service without one of its protections against database outages; the environment's WITHOUT names it."""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, Final

import asyncpg

from service.__main__ import main
from service.database import errors as database_errors
from service.database import pool as database
from service.database.connector import Connector
from service.deadlines import Deadlines

MODULE: Final = __name__
"""The module to run in the place of `service`."""

DEADLINES: Final = "deadlines"
PACING: Final = "pacing of attempts to connect"
ERROR_MAPPING: Final = "the mapping of database errors to statuses"


def _without_deadlines() -> None:
    create_pool = asyncpg.create_pool

    def create(*arguments: Any, **options: Any) -> Any:
        return create_pool(*arguments, **options | {"timeout": 3600, "command_timeout": None})

    _replace(asyncpg, "create_pool", create)
    _replace(database, "ACQUIRE_TIMEOUT", 3600)
    _replace(Deadlines, "begin", lambda _: nullcontext())


def _without_pacing() -> None:
    async def connect(self: Connector, _: str | None = None, **options: Any) -> Any:
        return await asyncpg.connect(self._dsn, **options)

    _replace(Connector, "connect", connect)


def _without_error_mapping() -> None:
    for module in (database, database_errors):
        _replace(module, "CONNECTION_ERRORS", (asyncio.InvalidStateError,))
        _replace(module, "NOT_READY_ERRORS", ())


def _replace(owner: object, name: str, value: object) -> None:
    setattr(owner, name, value)


_WITHOUT: Final[Mapping[str, Callable[[], None]]] = {
    DEADLINES: _without_deadlines,
    PACING: _without_pacing,
    ERROR_MAPPING: _without_error_mapping,
}

if __name__ == "__main__":
    _WITHOUT[os.environ["WITHOUT"]]()
    main()
