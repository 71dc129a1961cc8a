"""Backup and restore as in docs/how-to/back-up.md: by the migrator, into a database of the same roles."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
import requests

from service.commands.demo import JOB
from service.database.migrations import migrate
from service.database.sql_files import sql_directory
from service.embedded.cluster import SERVICE_ROLE
from service.embedded.programs import find_programs
from tests.commands.forked import run
from tests.process.running import ROOT, Service, running_service

CALLS = ("flow/pipeline", f"jobs/pipelines?job_id={JOB}", "jobs", "users", "groups", "audit")


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def by(role: str, dsn: str) -> str:
    return dsn.replace("//postgres@", f"//{role}@")


@pytest.fixture
async def databases(server_dsn: str) -> AsyncIterator[list[str]]:
    """Create two databases with the roles of an installation."""
    names = [f"backup_{uuid4().hex}" for _ in range(2)]
    dsns = [urlsplit(server_dsn)._replace(path=f"/{name}").geturl() for name in names]
    roles = (ROOT / "deploy/roles.sql").read_text()
    await execute(server_dsn, *(f"CREATE DATABASE {name}" for name in names))
    for dsn in dsns:
        await execute(dsn, roles)
    yield dsns
    await execute(server_dsn, *(f"DROP DATABASE {name} WITH (FORCE)" for name in names))
    await execute(server_dsn, "DROP ROLE flow_migrator", "DROP ROLE flow_owner")


def call(service: Service, token: str) -> dict[str, tuple[bytes, str | None]]:
    """Return the body and the ETag of each answer."""
    headers = {"Authorization": f"Bearer {token}"}
    answers = {path: requests.get(f"{service.api}/api/v1/{path}", headers=headers, timeout=5) for path in CALLS}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {path: (answer.content, answer.headers.get("ETag")) for path, answer in answers.items()}


@contextmanager
def serving(directory: Path, dsn: str) -> Iterator[Service]:
    with running_service(directory, by(SERVICE_ROLE, dsn)) as service:
        service.wait_until("/readyz", 200)
        yield service


async def test_backup_gives_the_same_answers_when_restored(databases: list[str], tmp_path: Path) -> None:
    original, restored = databases
    await migrate(by("flow_migrator", original))
    imported = run("import", str(sql_directory() / "demo.ndjson"), DATABASE_URL=by("flow_migrator", original))
    assert imported.returncode == 0, imported.stderr
    token = run("token", "create", "ada", DATABASE_URL=original).stdout.strip()
    with serving(tmp_path, original) as service:
        before = await asyncio.to_thread(call, service, token)

    dump = str(tmp_path / "flow_pipelines.dump")
    programs = find_programs()
    dumped = programs.run("pg_dump", "--format=custom", f"--file={dump}", by("flow_migrator", original))
    assert (dumped.returncode, dumped.stderr) == (0, b"")
    options = ("--exit-on-error", "--single-transaction", f"--dbname={by('flow_migrator', restored)}")
    loaded = programs.run("pg_restore", *options, dump)
    assert loaded.returncode == 0, loaded.stderr

    assert await migrate(by("flow_migrator", restored)) == []
    examined = run("doctor", DATABASE_URL=by(SERVICE_ROLE, restored))
    assert examined.returncode == 0, examined.stdout
    with serving(tmp_path, restored) as service:
        assert await asyncio.to_thread(call, service, token) == before
