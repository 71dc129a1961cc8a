"""Fixtures on a real PostgreSQL: one server a run, one migrated database, and an organization of its own for each test.

Nothing is cleaned up between tests. Every row belongs to an organization, and no test knows another's: that the service
keeps organizations apart is what isolates the tests, and each run proves it again.
"""

import asyncio
import os
import signal
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
from hypothesis import HealthCheck
from hypothesis import settings as examples

from service.app import create_app
from service.authentication.last_use import TokenUse
from service.database.migrations import migrate
from service.database.pool import Database, open_database
from service.embedded.cluster import SERVICE_ROLE, embedded_postgres
from service.health import Health
from service.http.clients import Logged
from service.http.request_log import RequestLog
from service.settings import Settings, read_settings
from service.telemetry.request_record import RequestRecord
from tests import contract, measured, pgbouncer, tls
from tests.factories import World

FAST = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "synchronous_commit=off", "-c", "max_connections=200")

# grpcio acts in each process that is forked beside it, as to start PostgreSQL as another user, and may end it.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# An example may take any time on a busy machine. All else stays as hypothesis has it, here or for CI.
examples.register_profile(
    "unhurried",
    examples.get_profile(examples.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
examples.load_profile("unhurried")

THROUGH = pgbouncer.program(os.environ["PGBOUNCER"]) if "PGBOUNCER" in os.environ else None
"""The PgBouncer that stands before the database of the run."""

Client = TestClient[web.Request, web.Application]

write_token_use_forever = TokenUse.write_forever
"""What an app does that is no test's."""


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """Change how processes are measured that the tests start, once it is known whether they are; let Ctrl-C end them.

    A shell has what it runs in the background ignore Ctrl-C, and with that all that it starts.
    """
    measured.look_for_no_files()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = (
    "tests/process/test_document_fuzzed.py",
    "tests/faults/",
    "tests/fuzz/",
    "tests/freshness/",
    "tests/process/",
)
"""Where the tests are that take longest."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest: where one of them comes last, all processes but its own wait for it."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))


@pytest.fixture(scope="session")
def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a PostgreSQL server for this run alone, which loses its data in a crash and is the faster for it."""
    with embedded_postgres(tmp_path_factory.mktemp("postgres"), options=FAST) as dsn:
        yield dsn


@pytest.fixture(scope="session")
def tls_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tls.TlsServer]:
    """Start a PostgreSQL server that has TLS, if the machine has one."""
    programs = tls.programs_with_tls()
    if not tls.has_openssl() or programs is None:
        pytest.skip(tls.NO_POSTGRESQL if tls.has_openssl() else tls.NO_OPENSSL)
    with tls.tls_server(tmp_path_factory.mktemp("tls_postgres"), programs) as running:
        yield running


@pytest.fixture(scope="session")
async def dsn(server_dsn: str) -> str:
    """Migrate the database that most tests share, and return its address.

    What is in the variable SQL_AFTER_MIGRATE is run there: a test so runs others on a database that is unlike others.
    """
    await migrate(server_dsn)
    if statements := os.environ.get("SQL_AFTER_MIGRATE"):
        connection = await asyncpg.connect(server_dsn)
        await connection.execute(statements)
        await connection.close()
    return server_dsn


@pytest.fixture(scope="session")
async def service_dsn(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Yield the address of the same database for the role of the service, so that the tests run with its privileges.

    With PGBOUNCER=<version> in the environment, it leads through that PgBouncer in transaction mode.
    """
    if not THROUGH:
        yield dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
        return
    await pgbouncer.limit_role(dsn)
    # Fewer sessions than the service has connections, so that these share them, and each transaction gets another.
    options = [*THROUGH.transaction_mode(), "default_pool_size = 5", "server_round_robin = 1"]
    with pgbouncer.running(THROUGH, tmp_path_factory.mktemp("pgbouncer"), dsn, options) as pooled:
        await pgbouncer.open_sessions(pooled, 5)
        yield pooled


@pytest.fixture
async def empty_dsn(server_dsn: str) -> AsyncIterator[str]:
    """Create an empty database for a test that needs its own, and drop it afterwards."""
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(server_dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    parts = urlsplit(server_dsn)
    yield urlunsplit(parts._replace(path=f"/{name}"))
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
async def closed_dsn(empty_dsn: str) -> str:
    """Create an empty database that only the service's role gets into, as deploy/roles.sql leaves it."""
    name = urlsplit(empty_dsn).path[1:]
    connection = await asyncpg.connect(empty_dsn)
    await connection.execute(f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC")
    await connection.execute(f"GRANT CONNECT ON DATABASE {name} TO {SERVICE_ROLE}")
    await connection.close()
    return empty_dsn


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Return the default settings, whatever the environment of the run."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name in _SETTINGS}
    try:
        return replace(read_settings(), data_dir=Path("/nonexistent"))
    finally:
        os.environ.update(kept)


_SETTINGS = (
    "DATABASE_URL",
    "DATABASE_PLAINTEXT",
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
    """Open the service's own pool on the shared database."""
    async with open_database(service_dsn, settings) as opened:
        yield opened


class RecordingLog(RequestLog):
    """The service's own log, which also keeps the records."""

    records: ClassVar[list[RequestRecord]] = []

    def write(self, request: Logged, record: RequestRecord, seconds: float) -> None:
        self.records.append(record)
        super().write(request, record, seconds)


@pytest.fixture(scope="session", autouse=True)
def _unwritten_token_use() -> Iterator[None]:
    """Leave it to the tests to write when tokens were last used: beside them, it would change what they compare."""

    async def wait(_: TokenUse) -> None:
        await asyncio.Event().wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TokenUse, "write_forever", wait)
        yield


@pytest.fixture(scope="session")
async def client(settings: Settings, database: Database) -> AsyncIterator[Client]:
    """Open a client of the service with its default settings, every answer checked against the document."""
    app = create_app(settings, database, Health(database, settings.ready_timeout), request_log=RecordingLog)
    app.middlewares.insert(0, contract.hold_answers)
    async with TestClient(TestServer(app)) as opened:
        yield opened


@pytest.fixture
async def replica(service_dsn: str, settings: Settings) -> AsyncIterator[Client]:
    """Open a client of another replica on the same database, with caches of its own."""
    async with open_database(service_dsn, settings) as database:
        app = create_app(settings, database, Health(database, 1))
        async with TestClient[web.Request, web.Application](TestServer(app)) as opened:
            yield opened


@pytest.fixture(scope="session")
async def raw(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Open a plain connection to the shared database, beside the service."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def world(raw: "asyncpg.Connection[asyncpg.Record]") -> World:
    """Create an organization, to be filled by the test."""
    return await World.create(raw)


@pytest.fixture
def records() -> list[RequestRecord]:
    """Collect the records of the test's requests, in the order in which they end."""
    RecordingLog.records.clear()
    return RecordingLog.records
