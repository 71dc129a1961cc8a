"""What a request of a SCIM client may cost: what a library looks at is bounded before it does."""

from typing import Any
from urllib.parse import quote

import pytest

from service.scim import bodies, group_bodies, queries
from tests.factories import World
from tests.scim.conftest import GROUP, PATCH, USER, Scim

SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
MANY = [f"a{number}" for number in range(queries.MAX_ATTRIBUTES + 1)]


async def changes_of(world: World) -> int:
    changes: int = await world.raw.fetchval("SELECT count(*) FROM audit WHERE organization_id = $1", world.id)
    return changes


@pytest.mark.parametrize("name", ["attributes", "excludedAttributes", "ATTRIBUTES", "excluded_attributes"])
async def test_attributes_that_are_named_are_few(scim: Scim, name: str) -> None:
    """With 11,000 of them, a page of a hundred users took five seconds of the loop."""
    by_query = await scim("GET", f"/Users?{name}={','.join(MANY)}")
    by_body = await scim("POST", "/Groups/.search", {"schemas": [SEARCH], name: MANY})
    few = await scim("GET", "/Users", attributes=",".join(MANY[1:]))

    told = {"detail": f"At most {queries.MAX_ATTRIBUTES} attributes may be named.", "scimType": "tooMany"}
    assert (by_query.status, by_body.status, few.status) == (400, 400, 200)
    assert told.items() <= by_query.body.items()
    assert told.items() <= by_body.body.items()


@pytest.mark.parametrize(
    "asked",
    [
        {"excludedAttributes": ["x" * 4_000]},
        {"attributes": "x" * 4_000},
        {"x" * 4_000: 0},
        {"unknown": [{"x": "x" * 4_000}]},
        {f"k{number}": 0 for number in range(1_000)},
    ],
    ids=["an attribute", "a text", "a key", "within", "keys"],
)
async def test_parameters_of_a_search_are_short(scim: Scim, asked: dict[str, Any]) -> None:
    answer = await scim("POST", "/Users/.search", {"schemas": [SEARCH], **asked})

    assert (answer.status, answer.body["scimType"]) == (400, "tooMany")


@pytest.mark.parametrize("beside", [{}, {"x": "x" * 20_000}, {"x" * 20_000: 0}], ids=["within", "beside", "key"])
async def test_texts_of_a_body_are_short(scim: Scim, world: World, beside: dict[str, Any]) -> None:
    """The library took 0.6 s to refuse a name of a megabyte."""
    ada, group = await world.user("ada"), await scim.new_group("team")
    long = "x" if beside else "x" * 20_000
    removal = {"op": "remove", "path": "displayName", "value": [{"value": long}]}

    for method, path, body in (
        ("PATCH", f"/Users/{ada.id}", {"schemas": [PATCH], "Operations": [removal]}),
        ("PATCH", f"/Groups/{group['id']}", {"schemas": [PATCH], "Operations": [removal]}),
        ("PUT", f"/Users/{ada.id}", {"schemas": [USER], "userName": "ada", "displayName": long}),
        ("POST", "/Users", {"schemas": [USER], "userName": "eve", "emails": [{long: "eve@example.com"}]}),
        ("PUT", f"/Groups/{group['id']}", {"schemas": [GROUP], "displayName": long}),
        ("POST", "/Groups", {"schemas": [GROUP], "displayName": "new", "externalId": long}),
    ):
        answer = await scim(method, path, {**body, **beside})
        assert (answer.status, answer.body["scimType"]) == (400, "tooMany"), (method, path)


async def test_blanks_in_a_path_to_members_are_few(scim: Scim, world: World) -> None:
    ada, group = await world.user("ada"), await scim.new_group("team")
    for path in (f'members[value eq "{ada.id}"{" " * 10}]', f'members[value{" " * 10}eq "{ada.id}"]'):
        answer = await scim.patch(f"/Groups/{group['id']}", {"op": "remove", "path": path})
        assert (answer.status, answer.body["scimType"]) == (400, "invalidPath")


async def test_members_that_a_patch_names_are_counted_each_time(
    scim: Scim, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_bodies, "MAX_NAMED", 4)
    ada = await world.user("ada")
    group = await scim.new_group("team", str(ada.id))
    member = {"value": str(ada.id)}
    by_path = " or ".join([f'value eq "{ada.id}"'] * 5)
    before = await changes_of(world)

    for operations in (
        [{"op": "add", "path": "members", "value": [member] * 5}],
        [{"op": "add", "path": "members", "value": [member]}] * 5,
        [{"op": "add", "value": {"members": [member] * 5}}],
        [{"op": "remove", "path": f"members[{by_path}]"}],
        [{"op": "remove", "path": f'members[value eq "{ada.id}"]'}] * 5,
    ):
        answer = await scim.patch(f"/Groups/{group['id']}", *operations)
        assert (answer.status, answer.body["scimType"]) == (400, "tooMany"), operations
    for method, path in (("PUT", f"/Groups/{group['id']}"), ("POST", "/Groups")):
        body = {"schemas": [GROUP], "displayName": "other", "members": [member] * 5}
        assert (await scim(method, path, body)).status == 400
    assert await changes_of(world) == before


async def test_operations_of_a_patch_are_few(scim: Scim, world: World) -> None:
    ada = await world.user("ada")
    group = await scim.new_group("team")
    for path in (f"/Users/{ada.id}", f"/Groups/{group['id']}"):
        answer = await scim(
            "PATCH",
            path,
            {"schemas": [PATCH], "Operations": [{"op": "remove", "path": "x"}] * (bodies.MAX_OPERATIONS + 1)},
        )
        assert answer.status == 400
        assert answer.body["scimType"] == "tooMany"


@pytest.mark.parametrize("asked", ["(((", ",".join(MANY)], ids=["malformed", "many"])
async def test_change_with_a_projection_that_is_refused_is_not_made(scim: Scim, world: World, asked: str) -> None:
    ada = await world.user("ada")
    group = await world.group(name="team")
    query = f"?attributes={quote(asked, safe='')}"

    for method, path, body in (
        ("POST", "/Users", {"schemas": [USER], "userName": "eve"}),
        ("PUT", f"/Users/{ada.id}", {"schemas": [USER], "userName": "ada", "displayName": "Ada"}),
        ("POST", "/Groups", {"schemas": [GROUP], "displayName": "new"}),
        ("PUT", f"/Groups/{group}", {"schemas": [GROUP], "displayName": "other"}),
    ):
        assert (await scim(method, path + query, body)).status == 400, (method, path)

    assert await changes_of(world) == 0
