"""Fixtures on a real PostgreSQL: one server a run, one migrated database, and an organization of its own for each test.

Nothing is cleaned up between tests. Every row belongs to an organization, and no test knows another's: that the service
keeps organizations apart is what isolates the tests, and each run proves it again.
"""

import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.migrations import migrate
from service.database.pool import Database, open_database
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from service.health import Health
from service.http.request_log import RequestLog
from service.settings import Settings, read_settings
from service.telemetry.request_record import RequestRecord
from tests import contract, pgbouncer
from tests.factories import World

FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "max_connections=200")

THROUGH = pgbouncer.program(os.environ["PGBOUNCER"]) if "PGBOUNCER" in os.environ else None
"""The PgBouncer that stands before the database of the run."""

Client = TestClient[web.Request, web.Application]


@pytest.fixture(scope="session")
def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of this run's own, which loses its data in a crash and is the faster for it."""
    with embedded_postgres(tmp_path_factory.mktemp("postgres"), options=FAST) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def dsn(server_dsn: str) -> str:
    """The migrated database that most tests share."""
    await migrate(server_dsn)
    return server_dsn


@pytest.fixture(scope="session")
async def service_dsn(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The same database by the role that the service has, and its privileges: what the tests call is so restricted.

    With PGBOUNCER=<version> in the environment, it leads through that one in transaction mode.
    """
    if not THROUGH:
        yield dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        return
    await pgbouncer.limit_role(dsn)
    # Fewer sessions than the service has connections, so that these share them, and another one for each transaction.
    options = [*THROUGH.transaction_mode(), "default_pool_size = 5", "server_round_robin = 1"]
    with pgbouncer.running(THROUGH, tmp_path_factory.mktemp("pgbouncer"), dsn, options) as pooled:
        await pgbouncer.open_sessions(pooled, 5)
        yield pooled


@pytest.fixture
async def empty_dsn(server_dsn: str) -> AsyncIterator[str]:
    """A database without anything in it, for a test that needs one to itself."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(server_dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    parts = urlsplit(server_dsn)
    yield urlunsplit(parts._replace(path=f"/{name}"))
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The defaults, whatever the environment of the run."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name in _SETTINGS}
    try:
        return replace(read_settings(), data_dir=Path("/nonexistent"))
    finally:
        os.environ.update(kept)


_SETTINGS = (
    "DATABASE_URL",
    "DATA_DIR",
    "HTTP_HOST",
    "HTTP_PORT",
    "OPS_PORT",
    "LOG_LEVEL",
    "LOG_FORMAT",
    "V1_ERRORS_AS_200",
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)


@pytest.fixture(scope="session")
async def database(service_dsn: str, settings: Settings) -> AsyncIterator[Database]:
    """The service's own way to the shared database."""
    async with open_database(service_dsn, settings) as opened:
        yield opened


class RecordingLog(RequestLog):
    """The service's own log, which also keeps the records."""

    records: ClassVar[list[RequestRecord]] = []

    def write(self, request: web.Request, record: RequestRecord, seconds: float) -> None:
        self.records.append(record)
        super().write(request, record, seconds)


@pytest.fixture(scope="session")
async def client(settings: Settings, database: Database) -> AsyncIterator[Client]:
    """The service with its default settings, every answer held against its document, and a client that calls it."""
    app = create_app(settings, database, Health(database, settings.ready_timeout), request_log=RecordingLog)
    app.middlewares.insert(0, contract.hold_answers)
    async with TestClient(TestServer(app)) as opened:
        yield opened


@pytest.fixture
async def replica(service_dsn: str, settings: Settings) -> AsyncIterator[Client]:
    """Another process's service on the same database, with a memory of its own."""
    async with open_database(service_dsn, settings) as database:
        app = create_app(settings, database, Health(database, 1))
        async with TestClient[web.Request, web.Application](TestServer(app)) as opened:
            yield opened


@pytest.fixture(scope="session")
async def raw(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A plain connection to the shared database, beside the service."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def world(raw: "asyncpg.Connection[asyncpg.Record]") -> World:
    """A new organization, to be filled by the test."""
    return await World.create(raw)


@pytest.fixture
def records() -> list[RequestRecord]:
    """The records of the test's requests, in the order in which they ended."""
    RecordingLog.records.clear()
    return RecordingLog.records
