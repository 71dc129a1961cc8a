"""What stands in an address is no address, whichever way it is made."""

from io import BytesIO
from typing import Any

import orjson
import pytest

from service.transfer.importing import ImportRefused, import_records
from service.values.names import RESERVED
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World
from tests.transfer.files import lines, whole

WORDS = [*RESERVED, "ME", "Pipelines"]


@pytest.mark.parametrize("word", WORDS)
async def test_nothing_new_is_called_like_an_address(client: Client, world: World, word: str) -> None:
    call = As.member(client, await world.user(role="admin"))
    await world.group(name="old")

    for method, path, body, field in [
        ("POST", "/users", {"username": word}, "username"),
        ("POST", "/groups", {"name": word}, "name"),
        ("PATCH", "/groups/old", {"new_name": word}, "new_name"),
    ]:
        answer = await call(method, path, body)
        assert (answer.status, answer.code) == (400, "INVALID_ARGUMENT"), path
        assert "none of ., .., me, pipelines, which are addresses" in answer.body["details"][field][0]


@pytest.mark.parametrize("word", ["me", "%2E", "%2E%2E"])
async def test_no_new_job_is_called_like_an_address(client: Client, world: World, word: str) -> None:
    answer = await As.member(client, await world.user()).client.put(f"/api/v1/jobs/{word}", json={}, headers={})

    assert answer.status in {400, 401, 404, 405}
    assert await world.raw.fetchval("SELECT count(*) FROM jobs WHERE organization_id = $1", world.id) == 0


async def test_job_called_me_is_refused(client: Client, world: World) -> None:
    answer = await As.member(client, await world.user())("PUT", "/jobs/me", {})

    assert answer.body["details"]["job_id"] == ["Must be none of ., .., me, pipelines, which are addresses."]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(("kind", "key"), [("user", "username"), ("group", "name"), ("job", "id")])
async def test_import_of_what_is_called_like_an_address_is_refused(dsn: str, kind: str, key: str, word: str) -> None:
    with pytest.raises(ImportRefused) as refused:  # at the latest as its organization is not there
        await import_records(dsn, lines({**whole()[kind], key: word}))

    for_its_name = f"line 1: {key} must be " in str(refused.value)
    assert for_its_name == (kind != "job" or word in RESERVED), "ids are compared as they are"


async def test_things_called_so_before_are_reached_and_deleted(client: Client, world: World, dsn: str) -> None:
    ada = await world.user("ada", role="admin")
    me = await world.user("me")
    await world.group(name="me")
    pipeline = await world.pipeline()
    job = await world.job(ada, job_id="me")
    call = As.member(client, ada)

    assert (await call.get("/groups/me")).body["group"]["name"] == "me"
    assert (await call("PUT", f"/flow/pipeline/{pipeline}/grants/users/me", {"permissions": []})).code == "OK"
    assert (await call("PUT", "/groups/me/members/me")).code == "OK"
    assert (await call("PATCH", "/groups/me", {"new_name": "us"})).body["group"]["name"] == "us"
    assert (await call.get("/jobs/me")).body["job"]["id"] == job
    assert (await call("POST", "/jobs/pipelines", {"job_id": "me", "pipeline_ids": [str(pipeline)]})).code == "OK"
    assert (await call("DELETE", "/jobs/me")).code == "OK"
    renamed: dict[str, Any] = {
        "type": "user",
        "id": me.id,
        "organization_id": world.id,
        "username": "mia",
        "role": "member",
    }
    organization = {"type": "organization", "id": world.id, "name": "Acme"}
    await import_records(dsn, BytesIO(b"\n".join(map(orjson.dumps, (organization, renamed)))))
    assert (await call.get("/users/mia")).body["user"]["username"] == "mia"


@pytest.mark.parametrize(
    "name", ["\u200b", "a\u202eb", "a\u2028b", "a\nb", "\u3164", "\ufeff", "a\x1b[31mb", "\u2066a", "\x85", "\u2800"]
)
async def test_no_name_is_invisible_or_has_controls(client: Client, world: World, dsn: str, name: str) -> None:
    call = As.member(client, await world.user(role="admin"))
    pipeline = await world.pipeline()

    for method, path, body in [
        ("POST", "/flow/pipeline", {"name": name}),
        ("PATCH", f"/flow/pipeline/{pipeline}", {"name": name}),
        ("PUT", "/jobs/j", {"name": name}),
        ("POST", "/tokens", {"name": name}),
    ]:
        answer = await call(method, path, body)
        assert (answer.code, [*answer.body["details"]]) == ("INVALID_ARGUMENT", ["name"]), path
    for kind in ("organization", "pipeline", "token", "job"):
        with pytest.raises(ImportRefused, match="line 1: name must be "):
            await import_records(dsn, lines({**whole()[kind], "name": name}))


async def test_pipelines_are_found_and_unique_by_what_can_be_seen(client: Client, world: World) -> None:
    call = As.member(client, await world.user(role="admin"))
    made = await call("POST", "/flow/pipeline", {"name": "In\u00advoices ❤️"})

    assert made.body["pipeline"]["name"] == "In\u00advoices ❤️"
    for same in ("invoices ❤", "INVOICES\u200b ❤", "\u200b invoices ❤"):
        assert (await call("POST", "/flow/pipeline", {"name": same})).code == "ALREADY_EXISTS", same
    for part in ("invoi", "IN\u200bVOICES", "❤", "❤️", "ｉｎ"):  # noqa: RUF001 - the last is full-width
        listed = (await call.get("/flow/pipeline", name=part)).body["pipelines"]
        assert [each["id"] for each in listed] == [made.body["pipeline"]["id"]], part
