"""A pool of one connection, for tests of the pool and of the connections that are kept from it."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from service.database.pool import Database, open_database
from service.settings import Settings


@pytest.fixture
async def single(dsn: str, settings: Settings) -> AsyncIterator[Database]:
    """A pool of one connection: the next unit of work finds what one leaves behind."""
    async with open_database(dsn, replace(settings, database_pool_size=1, statement_timeout=0.3)) as database:
        yield database
