"""Texts are compared alike in every database, also in one whose collation turns letters as Turkish does."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from service.database.migrations import migrate
from service.database.pool import Connection
from service.repositories import grant_sets, groups, jobs, users
from tests.factories import World
from tests.process.running import ROOT
from tests.tls import TlsServer

_BARE = re.compile(r"\b(?:lower|upper)\((?:\$\d+|\{?named\.name)(?!.{0,8}COLLATE)")


def test_no_parameter_is_folded_by_the_databases_own_collation() -> None:
    files = [*(ROOT / "service" / "repositories").glob("*.py"), *(ROOT / "service" / "transfer").glob("*.py")]

    assert {file.name: found for file in files if (found := _BARE.findall(Path(file).read_text()))} == {}


@pytest.fixture(
    params=[
        pytest.param("builtin BUILTIN_LOCALE 'C.UTF-8'", id="unicode"),
        pytest.param("icu ICU_LOCALE 'tr-TR'", id="turkish", marks=pytest.mark.slow),
    ]
)
async def collated(request: pytest.FixtureRequest, server_dsn: str) -> AsyncIterator[Any]:
    """Yield a connection to a migrated database of another collation, where a server at hand has that."""
    dsn = server_dsn
    if "icu" in request.param:
        running: TlsServer = request.getfixturevalue("tls_postgres")
        dsn = running.owner
    name = f"test_{uuid4().hex}"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            f"CREATE DATABASE {name} LOCALE_PROVIDER {request.param} LOCALE 'C' ENCODING 'UTF8' TEMPLATE template0"
        )
    except asyncpg.PostgresError as error:
        pytest.skip(f"no server here has such databases: {error}")
    there = urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
    await migrate(there)
    raw = await asyncpg.connect(there)
    yield raw
    await raw.close()
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


async def test_names_are_found_regardless_of_case_in_a_database_of_any_collation(collated: Any) -> None:
    world = await World.create(collated)
    igor = await world.user("IGOR", role="admin")
    await world.group(igor, name="TITI")
    job = await world.job(igor)
    await collated.execute("UPDATE jobs SET name = 'ÉTÉ II' WHERE id = $1", job)
    connection = Connection(collated)

    for name in ("IGOR", "igor"):
        found = await users.find_by_name(connection, world.id, name)
        assert found is not None
        assert found.username == "IGOR"
    assert await groups.find_by_name(connection, world.id, "TITI")
    for text in ("ÉTÉ", "II", "ii"):
        assert await collated.fetchval(f"SELECT j.id FROM jobs j WHERE {jobs.searched(1)}", text) == job
    assert await grant_sets.find_grantees(connection, world.id, "user", ["IGOR"])
