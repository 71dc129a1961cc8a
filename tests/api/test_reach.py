"""What a user can reach: their pipelines and groups, as they and administrators see them."""

from service.permissions import EXECUTE, MANAGER, READ, SCOPE_ADMIN, SCOPE_BITS, scope_set
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import PAST, World


async def test_user_pipelines_are_the_list_that_the_user_gets(client: Client, world: World) -> None:
    ada, root = await world.user("ada"), await world.user("root", role="admin")
    for number, access in enumerate((READ, READ | EXECUTE, MANAGER)):
        await world.grant(await world.pipeline(f"p{number}"), ada, access)
    await world.grant(await world.pipeline("q"), await world.group(ada), READ)
    await world.grant(await world.pipeline("r"), ada, READ, PAST)
    await world.pipeline("s")
    theirs, admin, narrow = (
        As.member(client, ada),
        As.member(client, root),
        As(client, await world.token(ada.id, scopes=READ)),
    )

    for query in (
        {},
        {"name": "P"},
        {"permission": "flow_pipeline:execute"},
        {"is_manager": "true"},
        {"is_manager": "false"},
        {"page_size": "3"},
    ):
        own = (await theirs.get("/flow/pipeline", **query)).body
        for call in (theirs, admin, narrow):
            seen = (await call.get("/users/ADA/pipelines", **query)).body
            assert seen.pop("next_page_token", None) is None or "next_page_token" in own
            assert seen == {key: value for key, value in own.items() if key != "next_page_token"}
    whole = (await admin.get("/users/ada/pipelines")).body["pipelines"]
    assert [each["name"] for each in whole] == ["p0", "p1", "p2", "q"]


async def test_user_pipelines_of_those_with_a_role_are_all(client: Client, world: World) -> None:
    await world.user("pam", role="pipeline_admin")
    await world.pipeline("p")
    admin = As.member(client, await world.user("root", role="admin"))

    for username in ("pam", "root"):
        (seen,) = (await admin.get(f"/users/{username}/pipelines")).body["pipelines"]
        assert (seen["name"], seen["is_manager"]) == ("p", True)


async def test_user_pipelines_of_a_disabled_user_are_none(client: Client, world: World) -> None:
    await world.user("ada", role="pipeline_admin")
    await world.pipeline("p")
    admin = As.member(client, await world.user(role="admin"))
    await admin("PATCH", "/users/ada", {"disabled": True})

    assert (await admin.get("/users/ada/pipelines")).body == {"status": "OK", "pipelines": []}
    assert (await admin.get("/users/ada/pipelines", page_token="x")).code == "INVALID_ARGUMENT"


async def test_user_pipelines_page_is_bound_to_the_user_and_the_caller(client: Client, world: World) -> None:
    ada, bob, root = await world.user("ada"), await world.user("bob"), await world.user("root", role="admin")
    for number in range(3):
        pipeline = await world.pipeline(f"p{number}")
        await world.grant(pipeline, ada)
        await world.grant(pipeline, bob)
    admin = As.member(client, root)
    token = (await admin.get("/users/ada/pipelines", page_size="2")).body["next_page_token"]

    rest = await admin.get("/users/ada/pipelines", page_size="2", page_token=token)
    assert [each["name"] for each in rest.body["pipelines"]] == ["p2"]
    assert (await admin.get("/users/bob/pipelines", page_size="2", page_token=token)).code == "INVALID_ARGUMENT"
    other = As.member(client, ada)
    assert (await other.get("/users/ada/pipelines", page_size="2", page_token=token)).code == "INVALID_ARGUMENT"


async def test_user_groups_are_theirs_by_name(client: Client, world: World) -> None:
    ada, root = await world.user("ada"), await world.user("root", role="admin")
    for name in ("zoo", "Ants", "bees"):
        await world.group(ada, name=name)
    await world.group(root, name="other")
    admin, theirs = As.member(client, root), As.member(client, ada)

    whole = (await admin.get("/users/ada/groups")).body["groups"]
    assert [group["name"] for group in whole] == ["Ants", "bees", "zoo"]
    assert all(group.keys() == {"name", "created_at"} for group in whole)
    assert (await theirs.get("/users/ada/groups")).body["groups"] == [{"name": group["name"]} for group in whole]


async def test_reach_of_others_is_for_administrators(client: Client, world: World) -> None:
    ada, root = await world.user("ada"), await world.user("root", role="admin")
    pam = await world.user("pam", role="pipeline_admin")
    every = scope_set(SCOPE_BITS)
    for path in ("pipelines", "groups"):
        for token in (ada.token, pam.token, await world.token(root.id, scopes=every & ~SCOPE_ADMIN)):
            refused = [await As(client, token).get(f"/users/{name}/{path}") for name in ("bob", "nobody")]
            assert {answer.code for answer in refused} == {"PERMISSION_DENIED"}
            assert refused[0].body["msg"] == refused[1].body["msg"]
        assert (await As.member(client, root).get(f"/users/nobody/{path}")).code == "NOT_FOUND"
    narrow = As(client, await world.token(ada.id, scopes=every & ~READ))
    assert (await narrow.get("/users/ada/pipelines")).code == "PERMISSION_DENIED"
