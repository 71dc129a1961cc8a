import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service.permissions import DELETE, EVERY_PERMISSION, EXECUTE, MANAGE_PIPELINES, MANAGER, MAX_REASONS, READ, WRITE
from tests.api.calls import Answer, As
from tests.conftest import Client
from tests.factories import PAST, Member, World

MANAGES = READ | EXECUTE | MANAGE_PIPELINES


def path(pipeline: UUID, to: Member | str) -> str:
    grantee = f"users/{to.username}" if isinstance(to, Member) else f"groups/{to}"
    return f"/flow/pipeline/{pipeline}/grants/{grantee}"


async def put(call: As, pipeline: UUID, to: Member | str, *words: str, **more: Any) -> Answer:
    return await call("PUT", path(pipeline, to), {"permissions": [f"flow_pipeline:{word}" for word in words], **more})


def lacking(answer: Answer) -> str | None:
    """Return the scopes that a challenge names; None if there is none."""
    challenge = answer.headers.get("WWW-Authenticate")
    if challenge is None:
        return None
    assert challenge.startswith('Bearer error="insufficient_scope", scope="')
    return challenge.split('"')[3]


async def test_put_user_grant_whole_answer(client: Client, world: World) -> None:
    admin, bob, pipeline = await world.user(role="admin"), await world.user("bob"), await world.pipeline()
    call = As.member(client, admin)

    made = await put(call, pipeline, bob, "execute", expires_at="2099-01-01T02:00:00+02:00")

    assert made.status == 201
    assert made.headers["Location"] == f"/api/v1/flow/pipeline/{pipeline}/grants/users/bob"
    assert {**made.body["grant"], "updated_at": 0} == {
        "username": "bob",
        "group": None,
        "permissions": ["flow_pipeline:read", "flow_pipeline:execute"],
        "is_manager": False,
        "expires_at": "2099-01-01T00:00:00Z",
        "updated_at": 0,
    }
    again = await put(call, pipeline, bob)
    assert (again.status, again.body["grant"]["permissions"]) == (200, ["flow_pipeline:read"])
    assert again.body["grant"]["expires_at"] is None


async def test_put_group_grant_reaches_its_members_at_once(client: Client, world: World) -> None:
    bob, pipeline = await world.user(), await world.pipeline("p")
    await world.group(bob, name="Reviewers")
    admin = As.member(client, await world.user(role="admin"))

    made = await put(admin, pipeline, "reviewers", "execute")

    assert (made.body["grant"]["username"], made.body["grant"]["group"]) == (None, "Reviewers")
    listed = await As.member(client, bob).get("/flow/pipeline")
    assert listed.body["pipelines"][0]["permissions"] == ["flow_pipeline:read", "flow_pipeline:execute"]
    assert (await admin("DELETE", path(pipeline, "reviewers"))).body == {"status": "OK"}
    assert (await As.member(client, bob).get("/flow/pipeline")).body["pipelines"] == []


async def test_grant_operations_need_manage_pipelines(client: Client, world: World) -> None:
    ada, bob, pipeline = await world.user(), await world.user(), await world.pipeline()
    call = As.member(client, ada)

    assert (await put(call, pipeline, bob)).code == "NOT_FOUND"
    await world.grant(pipeline, ada, EVERY_PERMISSION & ~MANAGE_PIPELINES)
    assert (await put(call, pipeline, bob)).code == "PERMISSION_DENIED"
    assert (await call("DELETE", path(pipeline, bob))).code == "PERMISSION_DENIED"
    assert (await call.get(f"/flow/pipeline/{pipeline}/grants")).code == "PERMISSION_DENIED"


async def test_put_user_grant_of_permissions_not_held_is_denied(client: Client, world: World) -> None:
    ada, bob, pipeline = await world.user(), await world.user(), await world.pipeline()
    await world.grant(pipeline, ada, MANAGES)
    call = As.member(client, ada)

    assert (await put(call, pipeline, bob, "execute")).code == "OK"
    refused = await put(call, pipeline, bob, "execute", "write")
    assert refused.code == "PERMISSION_DENIED"
    assert refused.body["msg"] == "You may not grant what you do not hold: flow_pipeline:write."
    assert (await put(call, pipeline, ada, "write")).code == "PERMISSION_DENIED", "not even to themselves"


async def test_put_user_grant_beyond_the_tokens_scopes_is_denied(client: Client, world: World) -> None:
    admin, bob, pipeline = await world.user(role="admin"), await world.user(), await world.pipeline()
    narrow = As(client, await world.token(admin.id, scopes=READ | MANAGE_PIPELINES))

    assert (await put(narrow, pipeline, bob, "read")).code == "OK"
    refused = await put(narrow, pipeline, bob, "execute")
    assert (refused.code, lacking(refused)) == ("PERMISSION_DENIED", "flow_pipeline:execute")
    assert refused.body["msg"] == "You may not grant what the token's scopes lack: flow_pipeline:execute."
    refused = await put(narrow, pipeline, bob, is_manager=True)
    others = "flow_pipeline:execute flow_pipeline:delete flow_pipeline:write"
    assert (refused.code, lacking(refused)) == ("PERMISSION_DENIED", others)
    whole = await narrow("PUT", f"/flow/pipeline/{pipeline}/grants", {"grants": []})
    assert whole.code == "OK", "managers stay as they are"


async def test_grants_that_also_the_user_may_not_make_are_denied_without_a_challenge(
    client: Client, world: World
) -> None:
    ada, bob, pipeline = await world.user(), await world.user(), await world.pipeline()
    await world.grant(pipeline, ada, MANAGES)
    narrow = As(client, await world.token(ada.id, scopes=READ | MANAGE_PIPELINES))

    refused = await put(narrow, pipeline, bob, "execute", "write")
    assert (refused.code, lacking(refused)) == ("PERMISSION_DENIED", None)
    refused = await put(narrow, pipeline, bob, is_manager=True)
    assert (refused.code, lacking(refused)) == ("PERMISSION_DENIED", None)


async def test_put_and_delete_user_grant_of_a_manager_take_a_manager(client: Client, world: World) -> None:
    ada, boss, bob = [await world.user() for _ in range(3)]
    pipeline = await world.pipeline()
    await world.grant(pipeline, ada, EVERY_PERMISSION)
    await world.grant(pipeline, boss, MANAGER)
    lacks, manager = As.member(client, ada), As.member(client, boss)

    assert (await put(lacks, pipeline, bob, is_manager=True)).code == "PERMISSION_DENIED"
    made = await put(manager, pipeline, bob, is_manager=True)
    assert (made.code, made.body["grant"]["is_manager"]) == ("OK", True)
    assert (await put(lacks, pipeline, bob, "read")).code == "PERMISSION_DENIED"
    assert (await lacks("DELETE", path(pipeline, bob))).code == "PERMISSION_DENIED"
    assert (await manager("DELETE", path(pipeline, bob))).code == "OK"


async def test_grant_that_has_expired_makes_no_manager_that_takes_one_to_unmake(client: Client, world: World) -> None:
    """One by one, as in a whole set."""
    ada, bob, eve, pipeline = await world.user(), await world.user(), await world.user(), await world.pipeline()
    await world.grant(pipeline, ada, MANAGES)
    for user in (bob, eve):
        await world.grant(pipeline, user, MANAGER, expires_at=PAST)
    call = As.member(client, ada)

    assert (await put(call, pipeline, bob, "read")).body["grant"]["is_manager"] is False
    assert (await call("DELETE", path(pipeline, eve))).code == "OK"
    assert (await put(call, pipeline, eve, is_manager=True)).code == "PERMISSION_DENIED"


async def test_put_user_grant_during_a_revocation_never_widens(client: Client, world: World, dsn: str) -> None:
    """Ada gives Bob all she holds while hers is taken back: whichever comes first, the other sees it."""
    admin = As.member(client, await world.user(role="admin"))
    for _ in range(10):
        ada, bob, pipeline = await world.user(), await world.user(), await world.pipeline()
        await world.grant(pipeline, ada, MANAGES)
        granted, taken = await asyncio.gather(
            put(As.member(client, ada), pipeline, bob, "execute"), admin("DELETE", path(pipeline, ada))
        )
        trail = await admin.get("/audit", target=f"grant:{pipeline}/user:{bob.username}")
        revoked = await admin.get("/audit", target=f"grant:{pipeline}/user:{ada.username}")
        assert taken.code == "OK"
        assert granted.code in ("OK", "NOT_FOUND")
        if granted.code == "OK":
            assert trail.body["audit"][0]["id"] < revoked.body["audit"][0]["id"]


async def test_delete_user_grant_that_is_absent_is_not_found(client: Client, world: World) -> None:
    admin, bob, pipeline = await world.user(role="admin"), await world.user("bob"), await world.pipeline()
    call = As.member(client, admin)

    assert (await call("DELETE", path(pipeline, bob))).body["msg"] == "Nothing is granted to user bob on this pipeline."
    assert (await call("DELETE", path(pipeline, "nobodies"))).code == "NOT_FOUND"
    assert (await put(call, pipeline, "nobodies")).code == "NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"permissions": None},
        {"permissions": "flow_pipeline:read"},
        {"permissions": ["read"]},
        {"permissions": [1]},
        {"permissions": [], "is_manager": 1},
        {"permissions": [], "expires_at": "tomorrow"},
        {"permissions": [], "expires_at": "2030-01-01T00:00:00"},
        {"permissions": [], "expires_at": 1},
        {"permissions": [], "expires_at": "9999-12-31T23:59:59-23:59"},
    ],
    ids=str,
)
async def test_put_user_grant_malformed(client: Client, world: World, body: dict[str, Any]) -> None:
    admin, bob, pipeline = await world.user(role="admin"), await world.user(), await world.pipeline()

    assert (await As.member(client, admin)("PUT", path(pipeline, bob), body)).code == "INVALID_ARGUMENT"


async def test_list_grants(client: Client, world: World) -> None:
    admin, bob, pipeline = await world.user(role="admin"), await world.user("bob"), await world.pipeline()
    await world.grant(pipeline, bob, EXECUTE, PAST)
    await world.grant(pipeline, await world.group(name="zoo"), READ)
    await world.grant(pipeline, await world.group(name="Ants"), MANAGER)
    call = As.member(client, admin)

    listed = await call.get(f"/flow/pipeline/{pipeline}/grants")

    assert [(g["group"], g["username"], g["is_manager"]) for g in listed.body["grants"]] == [
        ("Ants", None, True),
        ("zoo", None, False),
        (None, "bob", False),
    ]
    assert listed.body["grants"][2]["expires_at"] == "2020-01-01T00:00:00Z"


# ---- list_access


async def test_list_access(client: Client, world: World) -> None:
    admin, pipeline = await world.user("Zora", role="admin"), await world.pipeline()
    bob, carol, dan, gone = [await world.user(name) for name in ("bob", "Carol", "dan", "gone")]
    await world.grant(pipeline, bob, READ)
    await world.grant(pipeline, await world.group(carol, dan), EXECUTE)
    await world.grant(pipeline, carol, MANAGER)
    await world.grant(pipeline, gone, EXECUTE)
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", gone.id)
    await world.grant(pipeline, await world.user("late"), MANAGER, PAST)
    call, where = As.member(client, admin), f"/flow/pipeline/{pipeline}/access"

    everyone = await call.get(where)
    execute = await call.get(where, permission="flow_pipeline:execute")

    assert [(u["username"], len(u["permissions"]), u["is_manager"]) for u in everyone.body["users"]] == [
        ("bob", 1, False),
        ("Carol", 5, True),
        ("dan", 2, False),
        ("Zora", 5, True),
    ]
    assert [user["username"] for user in execute.body["users"]] == ["Carol", "dan", "Zora"]


async def test_list_access_needs_manage_pipelines_but_explain_access_of_the_caller_read(
    client: Client, world: World
) -> None:
    ada, bob, pipeline = await world.user("ada"), await world.user("bob"), await world.pipeline()
    await world.grant(pipeline, ada, READ | EXECUTE)
    call, where = As.member(client, ada), f"/flow/pipeline/{pipeline}/access"

    assert (await call.get(where)).code == "PERMISSION_DENIED"
    assert (await call.get(f"{where}/bob")).code == "PERMISSION_DENIED"
    assert (await call.get(f"{where}/ADA")).body["access"]["username"] == "ada"
    assert (await As.member(client, bob).get(f"{where}/bob")).code == "NOT_FOUND"


# ---- explain_access: each stated path is proved by removing it


async def test_explain_access_names_every_path(client: Client, world: World) -> None:
    bob, pipeline = await world.user("bob"), await world.pipeline()
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    await world.grant(pipeline, bob, READ)
    await world.grant(pipeline, await world.group(bob, name="reviewers"), EXECUTE, soon)
    await world.grant(pipeline, await world.group(bob, name="bosses"), MANAGER)
    await world.grant(pipeline, await world.group(bob, name="formers"), EXECUTE, PAST)
    await world.grant(pipeline, await world.group(name="others"), EXECUTE)
    admin = As.member(client, await world.user(role="admin"))

    answer = await admin.get(f"/flow/pipeline/{pipeline}/access/bob")

    access = answer.body["access"]
    assert (access["username"], len(access["permissions"]), access["is_manager"]) == ("bob", 5, True)
    execute = next(each for each in access["explanations"] if each["permission"] == "flow_pipeline:execute")
    assert execute == {
        "permission": "flow_pipeline:execute",
        "held": True,
        "reasons": [
            {"through": "group", "name": "bosses", "as_manager": True, "expires_at": None},
            {
                "through": "group",
                "name": "reviewers",
                "as_manager": False,
                "expires_at": soon.strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        ],
        "missing": None,
    }


async def test_explain_access_says_what_is_missing(client: Client, world: World) -> None:
    bob, pipeline = await world.user("bob"), await world.pipeline()
    await world.grant(pipeline, bob, EXECUTE, PAST)
    admin = As.member(client, await world.user(role="admin"))
    where = f"/flow/pipeline/{pipeline}/access/bob"

    def missing(answer: Answer, word: str) -> str:
        found = {each["permission"]: each["missing"] for each in answer.body["access"]["explanations"]}
        return str(found[f"flow_pipeline:{word}"])

    answer = await admin.get(where)
    nothing = "Neither the user nor a group of theirs is granted flow_pipeline"
    assert missing(answer, "write") == f"{nothing}:write."
    assert missing(answer, "execute") == f"{nothing}:execute; what was granted to user bob has expired."
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", bob.id)
    assert missing(await admin.get(where), "execute") == "The user is disabled."


@pytest.mark.parametrize("seed", range(6))
async def test_explain_access_is_proved_by_removing_each_path(client: Client, world: World, seed: int) -> None:
    """Without any of the stated paths, the permission is gone; with a single path left, it is still held."""
    bob = await world.user("bob", role=["member", "pipeline_admin"][seed % 2])
    pipeline = await world.pipeline()
    groups = [await world.group(bob, name=f"g{n}") for n in range(3)]
    accesses = [MANAGER, EXECUTE, READ, EXECUTE | MANAGE_PIPELINES]
    grantees: list[Member | UUID] = [bob, *groups]
    for number, to in enumerate(grantees):
        if (seed >> 1) != number:
            await world.grant(pipeline, to, accesses[(number + seed) % 4])
    admin = As.member(client, await world.user(role="admin"))
    call, where = As.member(client, bob), f"/flow/pipeline/{pipeline}/access/bob"

    async def held() -> set[str]:
        listed = await call.get("/flow/pipeline")
        return {name for each in listed.body["pipelines"] for name in each["permissions"]}

    explanations = (await admin.get(where)).body["access"]["explanations"]
    assert {each["permission"] for each in explanations if each["held"]} == await held()
    for explanation in explanations:
        for kept in explanation["reasons"]:
            transaction = world.raw.transaction()
            state = await _snapshot(world)
            await transaction.start()
            for reason in explanation["reasons"]:
                if reason != kept:
                    await _take_away(world, bob, reason)
            await transaction.commit()
            assert explanation["permission"] in await held()
            await _take_away(world, bob, kept)
            assert explanation["permission"] not in await held()
            await _restore(world, state, bob)


async def _take_away(world: World, bob: Member, reason: dict[str, Any]) -> None:
    if reason["through"] == "role":
        await world.raw.execute("UPDATE users SET role = 'member' WHERE id = $1", bob.id)
    elif reason["through"] == "user":
        await world.raw.execute("DELETE FROM user_grants WHERE user_id = $1", bob.id)
    else:
        group = await world.raw.fetchval(
            "SELECT id FROM groups WHERE organization_id = $1 AND name = $2", world.id, reason["name"]
        )
        await world.raw.execute("DELETE FROM memberships WHERE user_id = $1 AND group_id = $2", bob.id, group)


async def _snapshot(world: World) -> dict[str, list[Any]]:
    tables = ("memberships", "user_grants", "group_grants", "users")
    return {t: await world.raw.fetch(f"SELECT * FROM {t} WHERE organization_id = $1", world.id) for t in tables}


async def _restore(world: World, state: dict[str, list[Any]], bob: Member) -> None:
    for table, rows in state.items():
        if table == "users":
            role = next(row["role"] for row in rows if row["id"] == bob.id)
            await world.raw.execute("UPDATE users SET role = $1 WHERE id = $2", role, bob.id)
            continue
        await world.raw.execute(f"DELETE FROM {table} WHERE organization_id = $1", world.id)
        for row in rows:
            values = ", ".join(f"${n}" for n in range(1, len(row) + 1))
            await world.raw.execute(f"INSERT INTO {table} VALUES ({values})", *row)


async def test_explanation_counts_the_others_of_each_access(client: Client, world: World) -> None:
    """However they are read: of each access, and of those that have expired, no more than are named."""
    admin, bob, pipeline = await world.user(role="admin"), await world.user("bob"), await world.pipeline()
    kinds = ((EXECUTE, None, 5), (WRITE, None, 7), (DELETE, PAST, 9))
    grants = [(access, ends) for access, ends, more in kinds for _ in range(MAX_REASONS + more)]
    for number, (access, expires_at) in enumerate(grants):
        await world.grant(pipeline, await world.group(bob, name=f"g{number:03}"), access, expires_at)

    answer = (await As.member(client, admin).get(f"/flow/pipeline/{pipeline}/access/bob")).body

    read, execute, delete, _, write = answer["access"]["explanations"]
    assert (read["unlisted"], execute["unlisted"], write["unlisted"]) == (MAX_REASONS + 12, 5, 7)
    assert [each["reasons"][0]["name"] for each in (read, execute, write)] == ["g000", "g000", "g105"]
    assert " and 9 others has expired." in delete["missing"]


async def test_explanation_names_so_many_grants_and_counts_the_others(client: Client, world: World) -> None:
    admin, bob, pipeline = await world.user(role="admin"), await world.user("bob"), await world.pipeline()
    for number in range(MAX_REASONS + 3):
        await world.grant(pipeline, await world.group(bob, name=f"g{number:03}"), EXECUTE)

    answer = (await As.member(client, admin).get(f"/flow/pipeline/{pipeline}/access/bob")).body

    read, execute, write, *_ = answer["access"]["explanations"]
    assert [len(each["reasons"]) for each in (read, execute)] == [MAX_REASONS, MAX_REASONS]
    assert (read["unlisted"], execute["unlisted"]) == (3, 3)
    assert "unlisted" not in write
    assert execute["reasons"][0]["name"] == "g000"
