"""SCIM is there where it is switched on, and costs nothing elsewhere."""

import subprocess
import sys
from dataclasses import replace

import pytest

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


def test_lacking_extra_is_told_at_the_start(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "service.scim.endpoint", None)

    with pytest.raises(StartupError, match=r"SCIM=true asks for .* pip install 'flow-pipelines\[scim\]'"):
        create_app(replace(settings, scim=True), database, Health(database, 1))
