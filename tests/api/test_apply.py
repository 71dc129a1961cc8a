"""Declared states: what differs is changed, all or nothing, by the rules of each change alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from service.operations import apply
from service.permissions import EXECUTE, FULL_ACCESS, MANAGE_PIPELINES, READ
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

APPLY = "/api/v1/apply"
STATE: dict[str, Any] = {
    "groups": [{"name": "reviewers", "members": ["bob", "carol"]}],
    "pipelines": [
        {
            "name": "Invoices",
            "description": "Two each",
            "grants": [
                {"group": "Reviewers", "permissions": ["flow_pipeline:execute"]},
                {"user": "bob", "permissions": [], "is_manager": True, "expires_at": "2150-01-01T00:00:00Z"},
            ],
        }
    ],
}


def actions(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(change["action"], change["target"]) for change in body["changes"]]


async def test_state_is_put_in_place_once(client: Client, world: World) -> None:
    admin = As.member(client, await world.user("ada", role="admin"))
    for name in ("bob", "carol"):
        await world.user(name)

    looked = await admin("POST", APPLY, {**STATE, "dry_run": True})
    assert (await admin("GET", "/api/v1/groups")).body["groups"] == []
    done = await admin("POST", APPLY, {**STATE, "plan": looked.body["plan"]})
    again = await admin("POST", APPLY, STATE)

    assert looked.body == {**done.body, "dry_run": True}
    assert actions(done.body) == [
        ("group.create", "group:reviewers"),
        ("pipeline.create", "pipeline:Invoices"),
        ("grant.set", "grant:Invoices/group:Reviewers"),
        ("grant.set", "grant:Invoices/user:bob"),
        ("group.add_member", "group:reviewers"),
        ("group.add_member", "group:reviewers"),
    ]
    assert (again.code, again.body["changes"]) == ("OK", [])
    audited = await world.raw.fetch("SELECT action FROM audit WHERE organization_id = $1 ORDER BY id", world.id)
    assert sorted(row["action"] for row in audited) == sorted(action for action, _ in actions(done.body))


async def test_things_that_are_not_declared_stay_unless_pruned(client: Client, world: World) -> None:
    ada, bob = await world.user("ada", role="admin"), await world.user("bob")
    admin = As.member(client, ada)
    kept, gone = await world.pipeline("Kept"), await world.pipeline("Gone")
    group = await world.group(bob, ada, name="g")
    await world.group(name="other")
    await world.grant(kept, bob)
    await world.grant(kept, group)
    state: dict[str, Any] = {
        "pipelines": [{"name": "kept", "grants": [{"group": "g", "permissions": ["flow_pipeline:execute"]}]}],
        "groups": [{"name": "g", "members": ["bob"]}],
    }

    stays = await admin("POST", APPLY, state)
    pruned = await admin("POST", APPLY, {**state, "prune": True})

    assert actions(stays.body) == [("pipeline.update", "pipeline:Kept")]
    assert actions(pruned.body) == [
        ("grant.revoke", "grant:kept/user:bob"),
        ("group.remove_member", "group:g"),
        ("pipeline.delete", "pipeline:Gone"),
        ("group.delete", "group:other"),
    ]
    assert await world.raw.fetchval("SELECT count(*) FROM pipelines WHERE id = $1", gone) == 0
    only_groups = await admin("POST", APPLY, {"groups": [], "prune": True, "dry_run": True})
    assert actions(only_groups.body) == [("group.delete", "group:g")]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"groups": [{"name": "g", "members": ["nobody"]}]}, "NOT_FOUND"),
        ({"pipelines": [{"name": "Other"}], "prune": True}, "FAILED_PRECONDITION"),
        ({"plan": "0" * 32}, "FAILED_PRECONDITION"),
        ({"groups": [{"name": "g"}, {"name": "G"}]}, "INVALID_ARGUMENT"),
        ({"pipelines": [{"name": "p", "grants": [{"permissions": []}]}]}, "INVALID_ARGUMENT"),
        (
            {"pipelines": [{"name": "p", "grants": [{"user": "bob", "group": "reviewers", "permissions": []}]}]},
            "INVALID_ARGUMENT",
        ),
        ({"pipelines": [{"name": "p", "grants": [{"user": "ada", "permissions": []}] * 2}]}, "INVALID_ARGUMENT"),
        ({"groups": [{"name": "g", "member": []}]}, "INVALID_ARGUMENT"),
        ({"groups": [{"name": "me"}]}, "INVALID_ARGUMENT"),
        ({"pipelines": [{"name": str(number)} for number in range(201)]}, "INVALID_ARGUMENT"),
    ],
)
async def test_refused_state_changes_nothing(client: Client, world: World, change: dict[str, Any], code: str) -> None:
    ada = await world.user("ada", role="admin")
    for name in ("bob", "carol"):
        await world.user(name)
    await world.job(ada, await world.pipeline("Full"))

    answer = await As.member(client, ada)("POST", APPLY, {**STATE, **change})

    assert answer.code == code
    assert await world.raw.fetchval("SELECT count(*) FROM groups WHERE organization_id = $1", world.id) == 0
    assert await world.raw.fetchval("SELECT count(*) FROM audit WHERE organization_id = $1", world.id) == 0


async def test_state_changes_no_more_members_of_a_group_than_one_call_may(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apply, "MAX_NAMES", 1)
    admin = As.member(client, await world.user("ada", role="admin"))
    await world.group(await world.user("bob"), name="g")
    state = {"groups": [{"name": "g", "members": ["ada"]}]}

    assert (await admin("POST", APPLY, {**state, "prune": True, "dry_run": True})).code == "FAILED_PRECONDITION"
    assert (await admin("POST", APPLY, state)).code == "OK"


async def test_manager_changes_grants_of_a_group_of_their_own(client: Client, world: World) -> None:
    """Each change draws new revisions for the caller, and none is taken for somebody else's."""
    bob = await world.user("bob")
    group = await world.group(bob, name="g")
    first, second = await world.pipeline("First"), await world.pipeline("Second")
    for pipeline in (first, second):
        await world.grant(pipeline, bob, FULL_ACCESS)
    grants = [{"group": "g", "permissions": ["flow_pipeline:execute"]}]
    state = {"pipelines": [{"name": "First", "grants": grants}, {"name": "Second", "grants": grants}]}

    answer = await As.member(client, bob)("POST", APPLY, state)

    assert (answer.code, len(answer.body["changes"])) == ("OK", 2)
    assert await world.raw.fetchval("SELECT count(*) FROM group_grants WHERE group_id = $1", group) == 2


async def test_state_goes_no_further_than_the_caller_may(client: Client, world: World) -> None:
    bob, carol = await world.user("bob"), await world.user("carol")
    hidden, seen = await world.pipeline("Hidden"), await world.pipeline("Seen")
    await world.grant(seen, bob, READ | EXECUTE | MANAGE_PIPELINES)
    await world.grant(seen, carol, FULL_ACCESS)
    member = As.member(client, bob)

    def granting(name: str, *permissions: str, **more: Any) -> dict[str, Any]:
        grant = {"user": "bob", "permissions": [f"flow_pipeline:{each}" for each in permissions], **more}
        return {"pipelines": [{"name": name, "grants": [grant]}]}

    assert (await member("POST", APPLY, granting("Hidden", "execute"))).code == "PERMISSION_DENIED"
    refused = await member("POST", APPLY, granting("Seen", "delete"))
    assert (refused.code, refused.body["msg"].startswith("Pipeline Seen: You may not")) == ("PERMISSION_DENIED", True)
    assert (await member("POST", APPLY, granting("Seen", is_manager=True))).code == "PERMISSION_DENIED"
    unmaking = await member("POST", APPLY, {**granting("Seen", "execute"), "prune": True})
    assert unmaking.code == "PERMISSION_DENIED"
    pruning = await member("POST", APPLY, {"pipelines": [], "prune": True})
    assert (pruning.code, "Hidden" in pruning.body["msg"]) == ("PERMISSION_DENIED", False)
    assert (await member("POST", APPLY, {"groups": [{"name": "g"}]})).code == "PERMISSION_DENIED"
    assert await world.raw.fetchval("SELECT count(*) FROM pipelines WHERE id = $1", hidden) == 1


@asynccontextmanager
async def changing(dsn: str, lock: str, *changes: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """Make changes under the lock that the service's own take, which are committed at the end."""
    connection = await asyncpg.connect(dsn)
    async with connection.transaction():
        for statement in (f"SELECT FROM {lock} FOR NO KEY UPDATE", *changes):
            await connection.execute(statement)
        yield connection
    await connection.close()


async def waited_for(world: World, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Return once somebody waits for a lock of a connection's."""
    waiting = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))"
    while not await world.raw.fetchval(waiting, connection.get_server_pid()):  # noqa: ASYNC110 - it is no event
        await asyncio.sleep(0.01)


async def test_grant_that_is_revoked_while_another_one_is_declared_stays_revoked(
    client: Client, world: World, dsn: str
) -> None:
    """The grants that are not declared stay as they are once the pipeline is locked, and not as they were before."""
    ada, bob, carol = await world.user("ada", role="admin"), await world.user("bob"), await world.user("carol")
    pipeline = await world.pipeline("Invoices")
    await world.grant(pipeline, bob, FULL_ACCESS)
    grants = [{"user": "carol", "permissions": ["flow_pipeline:execute"]}]
    revoke = f"DELETE FROM user_grants WHERE user_id = '{bob.id}'"

    async with changing(dsn, f"pipelines WHERE id = '{pipeline}'", revoke) as revoking:
        declare = As.member(client, ada)("POST", APPLY, {"pipelines": [{"name": "Invoices", "grants": grants}]})
        declaring = asyncio.ensure_future(declare)
        await waited_for(world, revoking)
    answer = await declaring

    assert (answer.code, actions(answer.body)) == ("OK", [("grant.set", "grant:Invoices/user:carol")])
    held = await world.raw.fetch("SELECT user_id FROM user_grants WHERE pipeline_id = $1", pipeline)
    assert [row["user_id"] for row in held] == [carol.id]


async def test_description_that_is_changed_while_another_name_is_declared_stays(
    client: Client, world: World, dsn: str
) -> None:
    ada, pipeline = await world.user("ada", role="admin"), await world.pipeline("Invoices")
    describe = f"UPDATE pipelines SET description = 'new' WHERE id = '{pipeline}'"

    async with changing(dsn, f"pipelines WHERE id = '{pipeline}'", describe) as describing:
        declaring = asyncio.ensure_future(As.member(client, ada)("POST", APPLY, {"pipelines": [{"name": "INVOICES"}]}))
        await waited_for(world, describing)
    answer = await declaring

    assert answer.code == "OK"
    found = await world.raw.fetchrow("SELECT name, description FROM pipelines WHERE id = $1", pipeline)
    assert found is not None
    assert (found["name"], found["description"]) == ("INVOICES", "new")


async def test_members_that_come_and_go_while_others_are_declared_are_compared_again(
    client: Client, world: World, dsn: str
) -> None:
    ada, bob, carol = await world.user("ada", role="admin"), await world.user("bob"), await world.user("carol")
    group = await world.group(bob, name="g")
    changes = (
        f"DELETE FROM memberships WHERE group_id = '{group}'",
        f"INSERT INTO memberships (organization_id, user_id, group_id) VALUES ('{world.id}', '{carol.id}', '{group}')",
    )

    async with changing(dsn, f"groups WHERE id = '{group}'", *changes) as joining:
        state = {"groups": [{"name": "g", "members": ["ada", "bob"]}], "prune": True}
        declaring = asyncio.ensure_future(As.member(client, ada)("POST", APPLY, state))
        await waited_for(world, joining)
    answer = await declaring

    assert [(change["action"], change["before"], change["after"]) for change in answer.body["changes"]] == [
        ("group.add_member", None, {"member": "ada"}),
        ("group.add_member", None, {"member": "bob"}),
        ("group.remove_member", {"member": "carol"}, None),
    ]
    members = await world.raw.fetch("SELECT user_id FROM memberships WHERE group_id = $1", group)
    assert {row["user_id"] for row in members} == {ada.id, bob.id}
