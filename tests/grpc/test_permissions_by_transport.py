"""The permission table by gRPC and by Connect: the cases are those of HTTP, one of each verdict in each row.

What is called by SCIM is called by HTTP alone.
"""

from collections.abc import AsyncIterator, Iterator
from typing import cast

import asyncpg
import pytest

from service.http.routes import Route
from service.operations.permission_table.verdicts import OBJECT_TYPES, Act
from service.scim.endpoint import ScimRoute
from tests.api.permission_stage import Cell, Stage, cells
from tests.api.test_permission_table import ROWS, mistakes, of_rows
from tests.conftest import Client
from tests.factories import World
from tests.grpc.as_http import by_connect, by_grpc
from tests.grpc.calling import Rpcs


@pytest.fixture(scope="module")
async def stage(dsn: str) -> AsyncIterator[Stage]:
    """Fill two organizations for all rows."""
    raw = await asyncpg.connect(dsn)
    yield await Stage(await World.create(raw), await World.create(raw)).build(OBJECT_TYPES)
    await raw.close()


def one_of_each_verdict(act: Act, route: Route | ScimRoute) -> Iterator[Cell]:
    """Yield the first cell of each verdict of a row: all of them, by HTTP, take a minute."""
    seen = set()
    for cell in cells(act, route):
        if cell.verdict not in seen:
            seen.add(cell.verdict)
            yield cell


@of_rows([row for row in ROWS if isinstance(row[1], Route)])
@pytest.mark.parametrize("transport", ["grpc", "connect"])
async def test_cells_are_answered_as_the_table_says(
    http: Client,
    rpcs: Rpcs,
    stage: Stage,
    act: Act,
    route: Route,
    transport: str,
) -> None:
    called = by_grpc(rpcs, http) if transport == "grpc" else by_connect(http)

    assert await mistakes(cast("Client", called), stage, act, route, one_of_each_verdict) == []
