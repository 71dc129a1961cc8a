"""Defaults of server, database and role change no answer, and a database that can't hold every name is refused."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from time import sleep
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from service.database.connector import Connector, connect
from service.database.failures import UnfitDatabase
from service.database.migrations import migrate
from service.database.pool import open_database
from service.database.session_defaults import PLANNER_DEFAULTS, SESSION_DEFAULTS
from service.doctor.checks import Deployment
from service.doctor.examine import examine
from service.embedded.cluster import SERVICE_ROLE
from service.errors import StartupError, Unavailable
from service.health import Health
from service.settings import Settings
from service.transfer.exporting import export_records
from service.transfer.importing import import_records
from tests import pgbouncer
from tests.commands.forked import run
from tests.process.running import ROOT

ODD: Final = {
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "search_path": "odd, pg_catalog, public",
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "sql_standard",
    "bytea_output": "escape",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "extra_float_digits": "-15",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "gin_fuzzy_search_limit": "1",
    "row_security": "off",
    "quote_all_identifiers": "on",
    "idle_session_timeout": "20",
    "idle_in_transaction_session_timeout": "20",
    "statement_timeout": "20",
    "lock_timeout": "1",
    "plan_cache_mode": "force_generic_plan",
    "jit": "on",
    "enable_seqscan": "off",
    "xmloption": "document",
}
"""Each a default that a database or role may have, and that is another than PostgreSQL's own."""


async def _set_odd(dsn: str, whom: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE SCHEMA IF NOT EXISTS odd; GRANT USAGE ON SCHEMA odd TO PUBLIC")
    for name, value in ODD.items():
        shown = value if name == "search_path" else f"'{value}'"
        await connection.execute(f"ALTER {whom} SET {name} = {shown}")
    await connection.close()


def test_every_default_that_is_set_is_tried() -> None:
    assert SESSION_DEFAULTS.keys() | PLANNER_DEFAULTS.keys() <= ODD.keys()


async def test_connections_of_the_pool_reach_tables_by_indexes_and_those_of_commands_as_it_is_best(
    dsn: str, settings: Settings
) -> None:
    shown = "SELECT current_setting('enable_seqscan') AS scans, current_setting('jit') AS jit"
    address = f"{dsn}{'&' if '?' in dsn else '?'}options=-c%20jit%3Don"
    async with open_database(address, settings) as database, database.connection() as connection:
        assert dict(await connection.fetch_one("shown", shown)) == {"scans": "off", "jit": "off"}
    command = await connect(dsn)
    assert (await command.fetchval("SHOW enable_seqscan"), await command.fetchval("SHOW jit")) == ("on", "off")
    await command.close()


EACH_POOLER: Final = [pytest.param(each, id=each.name) for each in pgbouncer.programs()] or [
    pytest.param(None, marks=pytest.mark.skip(reason=pgbouncer.NONE_HERE))
]
"""Each PgBouncer of this machine; a test that is skipped, if there is none."""


@pytest.mark.slow
def test_defaults_of_the_role_change_no_answer_of_the_api() -> None:
    """A part of the tests of the API, by a role whose defaults are all odd."""
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-x"]
    files = ["test_times.py", "test_pages_and_conditions.py", "test_audit.py", "test_update_job_pipelines.py"]
    defaults = "\n".join(
        f"ALTER ROLE {SERVICE_ROLE} SET {name} = {value if name == 'search_path' else repr(value)};"
        for name, value in ODD.items()
    )
    ran = subprocess.run(
        [sys.executable, *command, *(f"tests/api/{file}" for file in files)],
        cwd=ROOT,
        env={**os.environ, "SQL_AFTER_MIGRATE": f"CREATE SCHEMA odd; GRANT USAGE ON SCHEMA odd TO PUBLIC; {defaults}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-3000:]


async def test_defaults_of_the_database_change_nothing_for_commands(empty_dsn: str, tmp_path: Path) -> None:
    """Migrate, import, export: what comes out is what comes out of a database with PostgreSQL's own defaults."""
    plain = tmp_path / "plain"
    _succeeds("migrate", dsn=empty_dsn)
    _succeeds("import", "sql/demo.ndjson", dsn=empty_dsn)
    _succeeds("export", str(plain), dsn=empty_dsn)
    connection = await asyncpg.connect(empty_dsn)
    name = f"test_{uuid4().hex}"
    await connection.execute(f"CREATE DATABASE {name}")
    dsn = urlunsplit(urlsplit(empty_dsn)._replace(path=f"/{name}"))
    try:
        await _set_odd(dsn, f"DATABASE {name}")
        odd = tmp_path / "odd"
        _succeeds("migrate", dsn=dsn)
        _succeeds("import", "sql/demo.ndjson", dsn=dsn)
        _succeeds("export", str(odd), dsn=dsn)
        _succeeds("user", "list", dsn=dsn)

        now = re.compile(rb'"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"')
        assert now.sub(b"now", odd.read_bytes()) == now.sub(b"now", plain.read_bytes())
        there = await asyncpg.connect(dsn, server_settings={"search_path": "public"})
        assert await there.fetchval("SELECT count(*) FROM pg_class WHERE relnamespace = 'odd'::regnamespace") == 0
        await there.close()
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


class _Slow(BytesIO):
    """A file that takes more than a moment, to be read and to be written."""

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.tell():
            sleep(0.4)
        return super().read(size)

    def write(self, data: Any, /) -> int:
        if not self.tell():
            sleep(0.4)
        return super().write(data)


DEMO: Final = (ROOT / "sql" / "demo.ndjson").read_bytes()


async def test_transaction_timeout_of_the_database_ends_no_command(empty_dsn: str) -> None:
    connection = await asyncpg.connect(empty_dsn)
    if connection.get_server_version().major < 17:
        pytest.skip("servers have it from version 17 on")
    await migrate(empty_dsn)
    await connection.execute(f"ALTER DATABASE {urlsplit(empty_dsn).path[1:]} SET transaction_timeout = '300ms'")

    assert (await import_records(empty_dsn, _Slow(DEMO))).records
    assert (await export_records(empty_dsn, _Slow())).records["user"]

    there = await connect(empty_dsn)
    await there.execute("BEGIN")
    with pytest.raises(asyncpg.PostgresError):  # the control
        await there.execute("SELECT pg_sleep(1)")
    await there.close()
    await connection.close()


def _succeeds(*arguments: str, dsn: str) -> None:
    done = run(*arguments, DATABASE_URL=dsn)
    assert done.returncode == 0, done.stderr


async def _refusal(dsn: str) -> str:
    """Return why a connection through PgBouncer is refused, once that has noticed which of its own have ended.

    It takes the end of one, as it hands it out, for a parameter that the server refuses.
    """
    while True:
        with pytest.raises(StartupError) as refused:
            await connect(dsn, statement_cache_size=0)
        if "invalid server parameter" not in str(refused.value):
            return str(refused.value)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("program", EACH_POOLER)
@pytest.mark.parametrize("ignored", [False, True])
async def test_pooler_that_does_not_let_them_be_set_is_taken_where_the_role_does_not_matter(
    program: pgbouncer.Program, ignored: bool, closed_dsn: str, settings: Settings, tmp_path: Path
) -> None:
    """Whether PgBouncer refuses them, as it does unasked, or is told to ignore them."""
    await migrate(closed_dsn)
    options = program.transaction_mode()
    if ignored:
        options = [f"{options[0]}, {', '.join(SESSION_DEFAULTS)}", *options[1:]]
    raw = await asyncpg.connect(closed_dsn)
    with pgbouncer.running(program, tmp_path, closed_dsn, options) as pooled:
        connection = await connect(pooled, statement_cache_size=0)
        assert await connection.fetchval("SELECT current_setting('TimeZone')") == "UTC"
        await connection.close()
        for name, value in (("search_path", "odd, public"), ("bytea_output", "'escape'")):
            await raw.execute("CREATE SCHEMA IF NOT EXISTS odd; GRANT USAGE ON SCHEMA odd TO PUBLIC")
            await raw.execute(f"ALTER ROLE {SERVICE_ROLE} SET {name} = {value}")
            try:
                await raw.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", SERVICE_ROLE
                )
                assert re.search(rf"keeps the service from setting {name} = '\w+'", await _refusal(pooled))
                async with open_database(pooled, settings) as database:
                    (reason,) = await Health(database, 5).reasons()
                    assert f"keeps the service from setting {name} = " in reason
            finally:
                await raw.execute(f"ALTER ROLE {SERVICE_ROLE} RESET {name}")
    await raw.close()


# ---- encodings


@asynccontextmanager
async def _encoded(dsn: str, encoding: str) -> AsyncIterator[str]:
    name = f"test_{uuid4().hex}"
    connection: Any = await asyncpg.connect(dsn)
    await connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    try:
        yield urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_can_not_hold_every_name_is_refused(
    encoding: str, server_dsn: str, settings: Settings
) -> None:
    said = (
        f"its encoding is {encoding}, which can't hold every name, and must be UTF8: make another, by CREATE DATABASE"
    )
    async with _encoded(server_dsn, encoding) as dsn:
        with pytest.raises(StartupError, match=said):
            await migrate(dsn)
        (finding, *_) = await examine(dsn, settings, Deployment(1, 60, 0))
        async with open_database(dsn, settings) as database:
            (reason,) = await Health(database, 5).reasons()
            with pytest.raises(Unavailable) as refused:
                await database.acquire()
        done = run("import", "sql/demo.ndjson", DATABASE_URL=dsn)

    assert (finding.check, finding.state) == ("server", "wrong")
    assert said in finding.found
    assert said in reason
    assert isinstance(refused.value.__cause__, UnfitDatabase)
    assert (done.returncode, said in done.stderr) == (2, True)
    assert "Traceback" not in done.stderr


async def test_connector_without_encoding_told_is_no_hindrance(dsn: str) -> None:
    made = await Connector(dsn).connect()
    assert made.get_settings().server_encoding == "UTF8"
    await made.close()
