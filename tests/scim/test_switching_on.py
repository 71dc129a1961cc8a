"""SCIM is there where it is switched on, and costs nothing elsewhere."""

import subprocess
import sys
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.app import create_app
from service.database.pool import Database
from service.errors import StartupError
from service.health import Health
from service.settings import Settings
from tests.conftest import Client
from tests.factories import World, bearer

IMPORTING = """
import sys
import service.__main__, service.app, service.process, service.operations.permission_table
print(sorted({name.partition(".")[0] for name in sys.modules} & {"scim2_models", "scim2_server", "pydantic", "lark"}))
"""


def test_importing_the_service_imports_nothing_of_scim() -> None:
    ran = subprocess.run([sys.executable, "-c", IMPORTING], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"


async def test_address_of_scim_is_unknown_where_it_is_off(client: Client, world: World) -> None:
    admin = await world.user(role="admin")

    answer = await client.get("/scim/v2/Users", headers=bearer(admin.token))

    assert (answer.status, (await answer.json())["code"]) == (404, "NOT_FOUND")


async def test_limit_of_rates_holds_and_is_told_in_the_form_of_scim(
    settings: Settings, database: Database, world: World
) -> None:
    admin = await world.user(role="admin")
    limited = replace(settings, scim=True, rate_limit=1, rate_limit_burst=1)
    app = create_app(limited, database, Health(database, settings.ready_timeout))
    async with TestClient[web.Request, web.Application](TestServer(app)) as client:
        answers = [await client.get("/scim/v2/ServiceProviderConfig", headers=bearer(admin.token)) for _ in range(3)]
        refused = answers[-1]
        assert (answers[0].status, refused.status) == (200, 429)
        assert (await refused.json(content_type=None))["status"] == "429"
        assert "Retry-After" in refused.headers


def test_lacking_extra_is_told_at_the_start(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "service.scim.routes", None)

    with pytest.raises(StartupError, match=r"SCIM=true asks for .* pip install 'flow-pipelines\[scim\]'"):
        create_app(replace(settings, scim=True), database, Health(database, 1))
