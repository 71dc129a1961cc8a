"""What somebody has granted themselves by a role, once the role is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from service.database.pool import Connection
from service.permissions import EXECUTE, READ
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import Member, World

READS = {"permissions": ["flow_pipeline:read"]}
MANAGES = {"permissions": [], "is_manager": True}


async def pam_and_her_pipelines(client: Client, world: World) -> tuple[As, Member, list[UUID]]:
    """An administrator's calls, a pipeline administrator, and pipelines to which she came in different ways."""
    admin, pam = As.member(client, await world.user(role="admin")), await world.user("pam", role="pipeline_admin")
    own = [await world.pipeline(name) for name in ("a self", "b by group", "c of ada", "d of ada again", "e expired")]
    by_pam = As.member(client, pam)
    await world.group(pam, name="hers")
    where = [f"/flow/pipeline/{each}/grants" for each in own]
    assert (await by_pam("PUT", f"{where[0]}/users/pam", MANAGES)).code == "OK"
    assert (await by_pam("PUT", f"{where[1]}/groups/hers", MANAGES)).code == "OK"
    assert (await admin("PUT", f"{where[2]}/users/pam", READS)).code == "OK"
    assert (await by_pam("PUT", f"{where[3]}/users/pam", MANAGES)).code == "OK"
    assert (await admin("PUT", f"{where[3]}/users/pam", READS)).code == "OK"
    assert (await by_pam("PUT", f"{where[4]}/users/pam", MANAGES)).code == "OK"
    await world.raw.execute("UPDATE user_grants SET expires_at = now() WHERE pipeline_id = $1", own[4])
    made = await by_pam("POST", "/flow/pipeline", {"name": "f made"})
    return admin, pam, [*own, UUID(made.body["pipeline"]["id"])]


async def test_demotion_answers_what_is_kept(client: Client, world: World) -> None:
    admin, _, own = await pam_and_her_pipelines(client, world)
    await world.grant(own[1], await world.group(name="others"), EXECUTE)

    answer = await admin("PATCH", "/users/pam", {"role": "member"})

    assert [(UUID(each["id"]), each["group"], each["by_themselves"]) for each in answer.body["keeps"]] == [
        (own[0], None, True),
        (own[1], "hers", True),
        (own[2], None, False),
        (own[3], None, False),
        (own[5], None, True),
    ]
    assert answer.body["keeps_total"] == 5
    assert answer.body["keeps"][0]["is_manager"] is True
    assert (await admin("PATCH", "/users/pam", {"disabled": False})).body.keys() == {"status", "user"}
    assert answer.headers["ETag"] == (await admin.get("/users/pam")).headers["ETag"], "the tag of the user"


async def test_withdrawing_takes_back_what_they_granted_themselves(client: Client, world: World) -> None:
    admin, pam, own = await pam_and_her_pipelines(client, world)
    by_pam = As.member(client, pam)
    assert len((await by_pam.get("/flow/pipeline")).body["pipelines"]) == 6

    answer = await admin("PATCH", "/users/pam", {"role": "member", "withdraw_grants": True})

    assert [UUID(each["id"]) for each in answer.body["keeps"]] == own[1:4]
    trail = await admin.get("/audit", action="grant.revoke")
    assert {entry["target"] for entry in trail.body["audit"]} == {
        f"grant:{pipeline}/user:pam" for pipeline in (own[0], own[5])
    }
    assert all(entry["before"]["is_manager"] and entry["after"] is None for entry in trail.body["audit"])
    managed = await by_pam.get("/flow/pipeline", is_manager="true")
    assert [each["name"] for each in managed.body["pipelines"]] == ["b by group"], "which the answer has told"
    again = await admin("PATCH", "/users/pam", {"withdraw_grants": True})
    assert again.body["keeps_total"] == 3


async def test_withdrawal_of_grants_waits_for_no_update_of_a_job(client: Client, world: World) -> None:
    """Such an update shares the pipelines that it puts a job into, and other changes of grants have them alone."""
    admin, _, own = await pam_and_her_pipelines(client, world)
    async with asyncio.timeout(30), world.raw.transaction():
        await world.raw.execute("SELECT FROM pipelines WHERE organization_id = $1 FOR KEY SHARE", world.id)

        answer = await admin("PATCH", "/users/pam", {"role": "member", "withdraw_grants": True})

    assert [UUID(each["id"]) for each in answer.body["keeps"]] == own[1:4]


async def test_maker_of_a_grant_is_looked_up_once_for_a_withdrawal(client: Client, world: World) -> None:
    admin, _, _ = await pam_and_her_pipelines(client, world)
    statements: list[str] = []
    fetch, execute = Connection.fetch, Connection.execute
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "fetch", _noting(fetch, statements))
        patch.setattr(Connection, "execute", _noting(execute, statements))
        await admin("PATCH", "/users/pam", {"withdraw_grants": True})

    assert sum("FROM audit" in each for each in statements) == 1


def _noting(run: Callable[..., Awaitable[Any]], statements: list[str]) -> Callable[..., Awaitable[Any]]:
    async def noting(connection: Connection, name: str, statement: str, *arguments: object) -> Any:
        statements.append(statement)
        return await run(connection, name, statement, *arguments)

    return noting


async def test_withdrawing_takes_an_administrator_and_keeps_the_last_one(client: Client, world: World) -> None:
    admin, pam, own = await pam_and_her_pipelines(client, world)

    refused = await As.member(client, pam)("PATCH", "/users/pam", {"withdraw_grants": True})
    me = (await admin.get("/users/me")).body["user"]["username"]
    last = await admin("PATCH", f"/users/{me}", {"role": "member", "withdraw_grants": True})

    assert (refused.code, last.code) == ("PERMISSION_DENIED", "FAILED_PRECONDITION")
    assert await world.raw.fetchval("SELECT count(*) FROM user_grants WHERE user_id = $1", pam.id) == len(own) - 1


async def test_demotion_answers_at_most_a_thousand(client: Client, world: World) -> None:
    admin, pam = As.member(client, await world.user(role="admin")), await world.user("pam", role="admin")
    await world.raw.execute(
        """
        WITH made AS (
            INSERT INTO pipelines (organization_id, id, name, name_key)
            SELECT $1, gen_random_uuid(), 'p' || n, 'p' || n FROM generate_series(1, 1005) AS n
            RETURNING id
        )
        INSERT INTO user_grants (organization_id, user_id, pipeline_id, access) SELECT $1, $2, id, $3 FROM made
        """,
        world.id,
        pam.id,
        READ,
    )

    answer = await admin("PATCH", "/users/pam", {"role": "member"})

    assert (len(answer.body["keeps"]), answer.body["keeps_total"]) == (1000, 1005)
