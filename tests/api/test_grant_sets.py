"""All grants on a pipeline at once, and all grants to a group."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from service.operations import grant_sets
from service.permissions import EXECUTE, FULL_ACCESS, MANAGE_PIPELINES, MANAGER, READ
from service.schemas.grants import MAX_GRANTS
from tests.api.calls import Answer, As
from tests.conftest import Client
from tests.factories import PAST, SOON, World

READS = ["flow_pipeline:read"]
EXECUTES = ["flow_pipeline:read", "flow_pipeline:execute"]
FIVE = [*EXECUTES, "flow_pipeline:delete", "flow_pipeline:manage_pipelines", "flow_pipeline:write"]
MANAGES: dict[str, Any] = {"permissions": FIVE, "is_manager": True}


async def replace(call: As, pipeline: UUID, *wanted: Any, **headers: str) -> Answer:
    return await call("PUT", f"/flow/pipeline/{pipeline}/grants", {"grants": [*wanted]}, headers)


async def held(world: World, pipeline: UUID) -> dict[str, tuple[int, datetime | None]]:
    rows = await world.raw.fetch(
        "SELECT coalesce(u.username, r.name) AS name, g.access, g.expires_at FROM grants g"
        " LEFT JOIN users u ON u.id = g.user_id LEFT JOIN groups r ON r.id = g.group_id WHERE g.pipeline_id = $1",
        pipeline,
    )
    return {row["name"]: (row["access"], row["expires_at"]) for row in rows}


async def audited(world: World) -> list[tuple[Any, ...]]:
    rows = await world.raw.fetch(
        "SELECT action, target, before, after FROM audit WHERE organization_id = $1 ORDER BY id", world.id
    )
    return [(*row[:2], *(orjson.loads(state) if state else None for state in row[2:])) for row in rows]


def state(permissions: list[str], expires_at: str | None = None, *, is_manager: bool = False) -> dict[str, Any]:
    return {"permissions": permissions, "is_manager": is_manager, "expires_at": expires_at}


async def test_set_is_replaced_by_what_differs_and_answered_as_it_is_then(client: Client, world: World) -> None:
    mia, pipeline = await world.user("mia"), await world.pipeline()
    bob, cy = await world.user("bob"), await world.user("Cy")
    group, old = await world.group(name="Reviewers"), await world.group(name="old")
    await world.grant(pipeline, mia, FULL_ACCESS)
    for to in (bob, cy, old):
        await world.grant(pipeline, to, READ | EXECUTE)
    before = await world.raw.fetchval("SELECT updated_at FROM user_grants WHERE user_id = $1", bob.id)
    call = As.member(client, mia)

    answer = await replace(
        call,
        pipeline,
        {"user": "MIA", **MANAGES},
        {"user": "bob", "permissions": ["flow_pipeline:execute"]},
        {"user": "cy", "permissions": [], "expires_at": "2099-01-01T00:00:00.5Z"},
        {"group": "reviewers", "permissions": READS, "is_manager": True},
    )

    assert (answer.status, answer.body) == (200, (await call.get(f"/flow/pipeline/{pipeline}/grants")).body)
    shown = [(each["group"] or each["username"], each["is_manager"]) for each in answer.body["grants"]]
    assert shown == [("Reviewers", True), ("bob", False), ("Cy", False), ("mia", True)]
    assert await held(world, pipeline) == {
        "mia": (FULL_ACCESS, None),
        "bob": (READ | EXECUTE, None),
        "Cy": (READ, datetime(2099, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        "Reviewers": (READ | MANAGER, None),
    }
    later = "2099-01-01T00:00:00.500000+00:00"
    to_old, to_cy, to_reviewers = ({"to_id": str(each)} for each in (old, cy.id, group))
    assert await audited(world) == [
        ("grant.revoke", f"grant:{pipeline}/group:old", state(EXECUTES) | to_old, None),
        ("grant.set", f"grant:{pipeline}/user:Cy", state(EXECUTES) | to_cy, state(READS, later) | to_cy),
        ("grant.set", f"grant:{pipeline}/group:Reviewers", None, state(READS, is_manager=True) | to_reviewers),
    ]
    assert await world.raw.fetchval("SELECT updated_at FROM user_grants WHERE user_id = $1", bob.id) == before


async def test_set_is_bound_to_what_was_read(client: Client, world: World) -> None:
    mia, pipeline = await world.user("mia"), await world.pipeline()
    await world.user("bob")
    await world.grant(pipeline, mia, FULL_ACCESS)
    call = As.member(client, mia)
    tag = (await call.get(f"/flow/pipeline/{pipeline}/grants")).headers["ETag"]
    wanted = [{"user": "mia", **MANAGES}, {"user": "bob", "permissions": READS}]

    done = await replace(call, pipeline, *wanted, **{"If-Match": tag})
    late = await replace(call, pipeline, wanted[0], **{"If-Match": tag})

    assert (done.code, late.status) == ("OK", 412)
    read = await call.get(f"/flow/pipeline/{pipeline}/grants", page_size="1000")
    assert read.headers["ETag"] == done.headers["ETag"]
    assert (await replace(call, pipeline, wanted[0], **{"If-Match": done.headers["ETag"]})).code == "OK"
    assert [*await held(world, pipeline)] == ["mia"]


async def test_rules_hold_for_each_difference_and_for_nothing_else(client: Client, world: World) -> None:
    gil, pipeline = await world.user("gil"), await world.pipeline()
    mia, bob = await world.user("mia"), await world.user("bob")
    await world.grant(pipeline, gil, READ | EXECUTE | MANAGE_PIPELINES)
    await world.grant(pipeline, mia, FULL_ACCESS)
    await world.grant(pipeline, bob, READ | 2)
    call = As.member(client, gil)
    own = {"user": "gil", "permissions": [*EXECUTES, "flow_pipeline:manage_pipelines"]}
    chief, wide = {"user": "mia", **MANAGES}, {"user": "bob", "permissions": ["flow_pipeline:write"]}
    before = await held(world, pipeline)

    refused = [
        await replace(call, pipeline, own, wide),
        await replace(call, pipeline, own, {**chief, "expires_at": "2099-01-01T00:00:00Z"}, wide),
        await replace(call, pipeline, own, chief, {**wide, "is_manager": True}),
        await replace(call, pipeline, own, chief, {"user": "bob", "permissions": ["flow_pipeline:delete"]}),
    ]

    assert {answer.code for answer in refused} == {"PERMISSION_DENIED"}
    assert "(the grant to user mia)" in refused[0].body["msg"]
    assert (await held(world, pipeline), await audited(world)) == (before, [])
    assert (await replace(call, pipeline, own, chief, wide)).code == "OK"
    assert (await audited(world)) == []
    assert (await replace(call, pipeline, own, chief, {"user": "bob", "permissions": EXECUTES})).code == "OK"
    assert (await held(world, pipeline))["bob"] == (READ | EXECUTE, None)


async def test_grants_of_a_set_end_no_later_than_the_grantors_own_hold(client: Client, world: World) -> None:
    gil, pipeline = await world.user("gil"), await world.pipeline()
    await world.user("bob")
    limit = datetime.now(UTC).replace(microsecond=0) + SOON
    await world.grant(pipeline, gil, READ | MANAGE_PIPELINES, limit)
    call = As.member(client, gil)
    own = {"user": "gil", "permissions": ["flow_pipeline:manage_pipelines"], "expires_at": limit.isoformat()}

    for end, code in ((None, "PERMISSION_DENIED"), (limit + timedelta(seconds=1), "PERMISSION_DENIED"), (limit, "OK")):
        bob = {"user": "bob", "permissions": READS, "expires_at": end.isoformat() if end else None}
        assert (await replace(call, pipeline, own, bob)).code == code, end


async def test_grants_that_have_expired_go_unless_they_are_named_anew(client: Client, world: World) -> None:
    """They make nobody a manager, so that it takes none to be rid of them."""
    gil, pipeline = await world.user("gil"), await world.pipeline()
    mia, bob = await world.user("mia"), await world.user("bob")
    await world.grant(pipeline, gil, READ | MANAGE_PIPELINES)
    await world.grant(pipeline, mia, FULL_ACCESS, PAST)
    await world.grant(pipeline, bob, FULL_ACCESS, PAST)
    own = {"user": "gil", "permissions": [*READS, "flow_pipeline:manage_pipelines"]}

    answer = await replace(As.member(client, gil), pipeline, own, {"user": "bob", "permissions": READS})

    assert answer.code == "OK"
    assert await held(world, pipeline) == {"gil": (READ | MANAGE_PIPELINES, None), "bob": (READ, None)}
    assert [row[:2] for row in await audited(world)] == [
        ("grant.revoke", f"grant:{pipeline}/user:mia"),
        ("grant.set", f"grant:{pipeline}/user:bob"),
    ]


async def test_unknown_grantees_are_told_and_nothing_is_changed(client: Client, world: World) -> None:
    admin, pipeline = As.member(client, await world.user(role="admin")), await world.pipeline()
    await world.grant(pipeline, await world.user("bob"))

    answer = await replace(admin, pipeline, *({key: "eve", "permissions": READS} for key in ("user", "group")))

    assert (answer.code, answer.body["details"]) == (
        "NOT_FOUND",
        {"grants": ["User eve does not exist.", "Group eve does not exist."]},
    )
    assert [*await held(world, pipeline)] == ["bob"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ([{"permissions": READS}], "grants.0"),
        ([{"user": "a", "group": "b", "permissions": READS}], "grants.0"),
        ([{"user": "a", "permissions": READS}, {"user": "A", "permissions": []}], "grants.1.user"),
        ([{"group": "a", "permissions": READS}] * 2, "grants.1.group"),
        ([{"user": "a"}], "grants.0.permissions"),
        ([{"user": "a", "permissions": ["read"]}], "grants.0.permissions.0"),
        ([{"user": "a", "permissions": READS, "expires_at": "2020-01-01T00:00:00Z"}], "grants.0.expires_at"),
        ([{"user": "a", "permissions": READS, "expires_at": "2200-01-01T00:00:00Z"}], "grants.0.expires_at"),
        ([{"user": "a", "permissions": READS, "is_manager": 1}], "grants.0.is_manager"),
        ([{"user": "a", "permissions": READS, "username": "a"}], "grants.0.username"),
        ([{"user": "a b", "permissions": READS}], "grants.0.user"),
        (["a"], "grants.0"),
        ([{"user": "a", "permissions": READS}] * (MAX_GRANTS + 1), "grants"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_set_that_can_not_be_is_refused(client: Client, world: World, wanted: Any, field: str) -> None:
    answer = await replace(As.member(client, await world.user(role="admin")), uuid4(), *wanted)

    assert (answer.status, answer.code, [*answer.body["details"]]) == (400, "INVALID_ARGUMENT", [field])


async def test_set_may_be_as_large_as_is_said(client: Client, world: World) -> None:
    admin, pipeline = As.member(client, await world.user("root", role="admin")), await world.pipeline()
    names = [f"user-{number:03}" for number in range(MAX_GRANTS)]
    await world.raw.execute(
        "INSERT INTO users (organization_id, id, username) SELECT $1, gen_random_uuid(), unnest($2::text[])",
        world.id,
        names,
    )
    wanted = [{"user": name, **MANAGES, "expires_at": "2099-01-01T00:00:00Z"} for name in names]

    answer = await replace(admin, pipeline, *wanted)

    assert [each["username"] for each in answer.body["grants"]] == names
    assert (await replace(admin, pipeline, *wanted[:1], **{"If-Match": answer.headers["ETag"]})).code == "OK"
    assert len(await audited(world)) == 2 * MAX_GRANTS - 1


async def test_set_of_more_than_that_is_left_alone(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grant_sets, "MAX_GRANTS", 1)
    admin, pipeline = As.member(client, await world.user(role="admin")), await world.pipeline()
    for _ in range(2):
        await world.grant(pipeline, await world.user())

    answer = await replace(admin, pipeline)

    assert answer.code == "FAILED_PRECONDITION"
    assert answer.body["msg"].startswith("There are more than 1 grants on this pipeline, too many to be replaced")


async def names(call: As, **query: str) -> list[str]:
    return [each["pipeline"]["name"] for each in (await call.get("/groups/g/grants", **query)).body["grants"]]


async def test_group_grants_are_listed_by_pipeline_to_managers_of_each(client: Client, world: World) -> None:
    group = await world.group(name="G")
    made = {name: await world.pipeline(name) for name in ("c", "a", "b")}
    await world.grant(made["a"], group, READ | EXECUTE)
    await world.grant(made["b"], group, FULL_ACCESS, PAST)
    await world.grant(made["c"], group, READ)
    gil, mia, bob = await world.user(), await world.user(), await world.user()
    await world.join(bob, group)
    await world.grant(made["a"], gil, READ | MANAGE_PIPELINES)
    await world.grant(made["c"], await world.group(mia), MANAGER)
    admin = As.member(client, await world.user(role="admin"))

    answer = await admin.get("/groups/g/grants")

    assert answer.body["grants"] == [
        {"pipeline": {"id": str(made["a"]), "name": "a"}, **state(EXECUTES)},
        {"pipeline": {"id": str(made["b"]), "name": "b"}, **state(FIVE, "2020-01-01T00:00:00Z", is_manager=True)},
        {"pipeline": {"id": str(made["c"]), "name": "c"}, **state(READS)},
    ]
    pam = As.member(client, await world.user(role="pipeline_admin"))
    assert [await names(each) for each in (pam, *(As.member(client, user) for user in (gil, mia, bob)))] == [
        *(["a", "b", "c"], ["a"], ["c"], []),
    ]
    for scopes, listed in ((READ, []), (MANAGE_PIPELINES, []), (READ | MANAGE_PIPELINES, ["a"])):
        assert await names(As(client, await world.token(gil.id, scopes=scopes))) == listed
    assert (await admin.get("/groups/nothing/grants")).code == "NOT_FOUND"


async def test_group_grants_come_in_pages(client: Client, world: World) -> None:
    group, mia = await world.group(name="g"), await world.user()
    for number in range(5):
        pipeline = await world.pipeline(f"p{number}")
        await world.grant(pipeline, group, READ)
        await world.grant(pipeline, mia, FULL_ACCESS)
    for call in (As.member(client, mia), As.member(client, await world.user(role="admin"))):
        found: list[str] = []
        query = {"page_size": "2"}
        while query:
            answer = (await call.get("/groups/g/grants", **query)).body
            found += [each["pipeline"]["name"] for each in answer["grants"]]
            token = answer.get("next_page_token")
            query = {"page_size": "2", "page_token": token} if token else {}
        assert found == [f"p{number}" for number in range(5)]


async def test_group_grants_are_ordered_and_counted(client: Client, world: World) -> None:
    group = await world.group(name="g")
    for name, end in (("a", None), ("b", PAST), ("c", datetime(2099, 1, 1, tzinfo=UTC))):
        await world.grant(await world.pipeline(name), group, READ, end)
    admin = As.member(client, await world.user(role="admin"))

    assert await names(admin, order_by="-name") == ["c", "b", "a"]
    assert await names(admin, order_by="expires_at") == ["b", "c", "a"]
    assert (await admin.get("/groups/g/grants", page_size="1", total="true")).body["total_size"] == 3
    nobody = As.member(client, await world.user())
    assert (await nobody.get("/groups/g/grants", total="true")).body == {"status": "OK", "grants": [], "total_size": 0}
    narrow = As(client, await world.token((await world.user(role="admin")).id, scopes=READ))
    assert (await narrow.get("/groups/g/grants", total="true")).body["total_size"] == 0
