"""A service for clients that are made from its document, and for the samples of its page."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from tests.process.test_demo import demo
from tests.process.test_examples import told


@pytest.fixture(scope="session")
async def running(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    """Run a demo; yield its address and its administrator's token as the variables that samples take."""
    directory, name = Path(tmp_path_factory.mktemp("clients")), f"test_{uuid4().hex}"
    connection = await asyncpg.connect(server_dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    # Others examine this server meanwhile, and find databases that every role gets into.
    await connection.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC")
    with demo(directory, DATABASE_URL=urlunsplit(urlsplit(server_dsn)._replace(path=f"/{name}"))) as (_, printed):
        token, address = told(printed)
        yield {"SERVER": address, "TOKEN": token}
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()
