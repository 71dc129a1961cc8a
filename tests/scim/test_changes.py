"""What the feed of changes tells of changes by SCIM: the same as of those by calls."""

from uuid import UUID

from tests.api.calls import As
from tests.factories import World
from tests.scim.conftest import Scim


async def test_changes_by_provisioning_are_told_to_those_concerned(scim: Scim, world: World) -> None:
    """A group is renamed, and another one gets its name, whose members are not told of the grant to the first."""
    ada, bob = await scim.new_user("ada"), await scim.new_user("bob")
    callers = [As(scim.client, await world.token(UUID(each["id"]))) for each in (ada, bob)]
    places = [(await call.get("/changes")).body["next_cursor"] for call in callers]
    pipeline, admin = await world.pipeline(), As(scim.client, await world.token(scim.owner.id))

    async def told() -> list[list[tuple[str, object]]]:
        """Return the targets and data of what each is told behind what they were told before."""
        answers = [await call.get("/changes", after=place) for call, place in zip(callers, places, strict=True)]
        places[:] = [answer.body["next_cursor"] for answer in answers]
        changes = [answer.body["changes"] for answer in answers]
        assert {each["type"] for some in changes for each in some} <= {"access.changed"}
        return [[(each["target"], each["data"]) for each in some] for some in changes]

    group = await scim.new_group("team", ada["id"])
    assert (await admin("PUT", f"/flow/pipeline/{pipeline}/grants/groups/team", {"permissions": []})).status == 201
    await scim.patch(f"/Groups/{group['id']}", {"op": "replace", "path": "displayName", "value": "renamed"})
    await scim.new_group("team", bob["id"])
    joined, granted = (
        ("group:team", {"group": "team"}),
        (f"grant:{pipeline}/group:team", {"pipeline_id": str(pipeline)}),
    )
    assert await told() == [[joined, granted], [joined]]

    for path, value in (("roles", [{"value": "pipeline_admin"}]), ("active", False), ("active", True)):
        await scim.patch(f"/Users/{ada['id']}", {"op": "replace", "path": path, "value": value})
    await scim("DELETE", f"/Groups/{group['id']}")
    role = ("user:ada", {"role": "pipeline_admin"})
    assert await told() == [[role, role, role, ("group:renamed", {"group": "renamed"})], []]
