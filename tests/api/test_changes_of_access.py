"""Each way to change what somebody sees, and whom the feed of changes tells of it: those concerned, once, in order.

The viewers beside the one concerned: an administrator, a stranger in the same organization, and an administrator of
another one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from service.database.pool import open_database
from service.identity import operator
from service.operations.call import Call
from service.operations.grants import put_group_grant, put_user_grant
from service.operations.groups import add_member
from service.permissions import READ
from service.schemas.grants import PutGroupGrant, PutUserGrant
from service.schemas.groups import MemberRef
from service.settings import Settings
from service.transfer.importing import import_records
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World
from tests.transfer.files import lines

Told = tuple[str, str, Any]
"""The type, the target and the data of a change."""
RIGHTS = "flow_pipeline:read"


async def told(caller: As, after: str, **query: str) -> tuple[list[Told], list[str]]:
    """Return what a caller is told behind a place, over as many pages as it takes, and the cursors."""
    found: list[Told] = []
    cursors: list[str] = []
    while True:
        answer = await caller.get("/changes", after=after, **query)
        assert answer.status == 200, answer.body
        found += [(each["type"], each["target"], each["data"]) for each in answer.body["changes"]]
        cursors += [each["cursor"] for each in answer.body["changes"]]
        if answer.body["next_cursor"] == after or not answer.body["changes"]:
            return found, cursors
        after = answer.body["next_cursor"]


@dataclass
class Stage:
    """A member `mo` of the group `old`, and the pipeline `p`, which both may read, and a hidden one."""

    client: Client
    world: World
    settings: Settings
    dsn: str
    p: str = ""
    hidden: str = ""

    async def set(self) -> None:
        world = self.world
        root, mo, stranger = (
            await world.user("root", role="admin"),
            await world.user("mo"),
            await world.user("stranger"),
        )
        self.group = await world.group(mo, name="old")
        await world.group(stranger, name="theirs")
        seen, hidden = await world.pipeline("seen"), await world.pipeline("hidden")
        await world.grant(seen, mo, READ)
        self.p, self.hidden, self.mo_id = str(seen), str(hidden), str(mo.id)
        foreign = await World.create(world.raw)
        other = await foreign.user("mo", role="admin")
        await foreign.group(other, name="old")
        self.admin, self.mo, self.stranger, self.foreigner = (
            As.member(self.client, each) for each in (root, mo, stranger, other)
        )

    @property
    def viewers(self) -> dict[str, As]:
        return {"mo": self.mo, "admin": self.admin, "stranger": self.stranger, "foreigner": self.foreigner}

    async def ask(self, *calls: tuple[Any, ...]) -> None:
        for method, path, *body in calls:
            answer = await self.admin(method, path, *body)
            assert answer.status in (200, 201), answer.body

    async def load(self, *records: dict[str, Any]) -> None:
        await import_records(self.dsn, lines(*records))

    @property
    def of(self) -> dict[str, str]:
        return {"organization_id": str(self.world.id)}

    def given(self, to: str, pipeline: str = "") -> list[Told]:
        key = pipeline or self.hidden
        return [("access.changed", f"grant:{key}/{to}", {"pipeline_id": key})]

    def joined(self, group: str = "old") -> list[Told]:
        return [("access.changed", f"group:{group}", {"group": group})]


@pytest.fixture(name="stage")
async def _stage(client: Client, world: World, settings: Settings, dsn: str) -> Stage:
    stage = Stage(client, world, settings, dsn)
    await stage.set()
    return stage


Way = Callable[[Stage], Awaitable[dict[str, list[Told]]]]
"""Makes a change, and returns what viewers are to be told of it: nothing those that it leaves out."""
WAYS: Final[dict[str, Way]] = {}


def way(make: Way) -> Way:
    WAYS[make.__name__.strip("_")] = make
    return make


@way
async def _grants_to_a_user(stage: Stage) -> dict[str, list[Told]]:
    where = f"/flow/pipeline/{stage.hidden}/grants/users/mo"
    await stage.ask(("PUT", where, {"permissions": []}), ("PUT", where, {"permissions": []}), ("DELETE", where))
    return {"mo": stage.given("user:mo") * 2}


@way
async def _grants_to_a_group(stage: Stage) -> dict[str, list[Told]]:
    where = f"/flow/pipeline/{stage.hidden}/grants/groups"
    await stage.ask(
        ("PUT", f"{where}/OLD", {"permissions": []}),
        ("PUT", f"{where}/theirs", {"permissions": []}),
        ("DELETE", f"{where}/old"),
    )
    return {"mo": stage.given("group:old") * 2, "stranger": stage.given("group:theirs")}


@way
async def _grants_as_a_whole_set(stage: Stage) -> dict[str, list[Told]]:
    where, of_mo = f"/flow/pipeline/{stage.hidden}/grants", {"user": "mo", "permissions": []}
    await stage.ask(
        ("PUT", where, {"grants": [of_mo, {"group": "old", "permissions": []}]}), ("PUT", where, {"grants": [of_mo]})
    )
    return {"mo": stage.given("user:mo") + stage.given("group:old") * 2}


@way
async def _a_grant_whose_group_is_renamed(stage: Stage) -> dict[str, list[Told]]:
    """Another group takes the name: its members are told nothing of what the first one was granted."""
    await stage.ask(
        ("PUT", f"/flow/pipeline/{stage.hidden}/grants/groups/old", {"permissions": []}),
        ("PATCH", "/groups/old", {"new_name": "new"}),
        ("PATCH", "/groups/theirs", {"new_name": "old"}),
        ("DELETE", f"/flow/pipeline/{stage.hidden}/grants/groups/new"),
    )
    return {"mo": stage.given("group:old") + stage.given("group:new")}


@way
async def _a_grant_whose_group_is_renamed_by_an_import(stage: Stage) -> dict[str, list[Told]]:
    await stage.ask(("PUT", f"/flow/pipeline/{stage.hidden}/grants/groups/old", {"permissions": []}))
    await stage.load({"type": "group", "id": str(stage.group), **stage.of, "name": "new"})
    return {"mo": stage.given("group:old")}


@way
async def _a_grant_whose_group_is_deleted(stage: Stage) -> dict[str, list[Told]]:
    """Whoever is in another group of its name is not told of the grant."""
    await stage.ask(
        ("PUT", f"/flow/pipeline/{stage.hidden}/grants/groups/old", {"permissions": []}),
        ("DELETE", "/groups/old"),
        ("POST", "/groups", {"name": "old"}),
        ("PUT", "/groups/old/members/stranger"),
    )
    return {"mo": stage.joined(), "stranger": stage.joined()}


@way
async def _grants_whose_users_change_names_by_an_import(stage: Stage) -> dict[str, list[Told]]:
    await stage.ask(("PUT", f"/flow/pipeline/{stage.hidden}/grants/users/mo", {"permissions": []}))
    ids = [await stage.world.raw.fetchval("SELECT id FROM users WHERE organization_id = $1 AND username = $2", *key)
           for key in ((stage.world.id, "mo"), (stage.world.id, "stranger"))]  # fmt: skip
    users = [{"type": "user", **stage.of, "is_admin": False, "id": str(each)} for each in ids]
    await stage.load({**users[0], "username": "stranger"}, {**users[1], "username": "mo"})
    return {"mo": stage.given("user:mo")}


@way
async def _memberships(stage: Stage) -> dict[str, list[Told]]:
    await stage.ask(
        ("DELETE", "/groups/old/members/mo"),
        ("PATCH", "/groups/theirs/members", {"add": ["mo"], "remove": ["stranger"]}),
        ("PUT", "/groups/old/members/MO"),
        ("PUT", "/groups/old/members/mo"),
    )
    theirs = stage.joined("theirs")
    return {"mo": [*stage.joined(), *theirs, *stage.joined()], "stranger": theirs}


@way
async def _a_role(stage: Stage) -> dict[str, list[Told]]:
    await stage.ask(
        ("PATCH", "/users/mo", {"role": "pipeline_admin"}),
        ("PATCH", "/users/mo", {"display_name": "Mo"}),
        ("PATCH", "/users/mo", {"role": "member"}),
    )
    return {"mo": [("access.changed", "user:mo", {"role": each}) for each in ("pipeline_admin", "member")]}


@way
async def _a_user_disabled_and_enabled(stage: Stage) -> dict[str, list[Told]]:
    await stage.ask(("PATCH", "/users/mo", {"disabled": True}), ("PATCH", "/users/mo", {"disabled": False}))
    return {"mo": [("access.changed", "user:mo", {"role": "member"})] * 2}


@way
async def _a_user_created_and_deleted(stage: Stage) -> dict[str, list[Told]]:
    await stage.ask(
        ("POST", "/users", {"username": "u"}),
        ("PUT", f"/flow/pipeline/{stage.p}/grants/users/u", {"permissions": []}),
        ("DELETE", "/users/u"),
    )
    return {}


@way
async def _a_pipeline_deleted(stage: Stage) -> dict[str, list[Told]]:
    """Also who could read it by a group is told, whatever that is called by now."""
    await stage.ask(
        ("PUT", f"/flow/pipeline/{stage.hidden}/grants/groups/theirs", {"permissions": []}),
        ("DELETE", f"/flow/pipeline/{stage.p}"),
        ("DELETE", f"/flow/pipeline/{stage.hidden}"),
        ("PATCH", "/groups/theirs", {"new_name": "renamed"}),
        ("PATCH", "/groups/old", {"new_name": "theirs"}),
    )
    seen, hidden = (
        ("pipeline.deleted", f"pipeline:{each}", {"name": name})
        for each, name in ((stage.p, "seen"), (stage.hidden, "hidden"))
    )
    return {"mo": [seen], "admin": [seen, hidden], "stranger": [*stage.given("group:theirs"), hidden]}


@way
async def _pipelines_created_and_renamed(stage: Stage) -> dict[str, list[Told]]:
    await stage.ask(
        ("PATCH", f"/flow/pipeline/{stage.p}", {"name": "renamed"}),
        ("PATCH", f"/flow/pipeline/{stage.hidden}", {"name": "renamed, too"}),
        ("PATCH", f"/flow/pipeline/{stage.hidden}", {"description": "d"}),
    )
    mine = ("pipeline.changed", f"pipeline:{stage.p}", {"name": "renamed"})
    hidden = ("pipeline.changed", f"pipeline:{stage.hidden}", {"name": "renamed, too"})
    return {"mo": [mine], "admin": [mine, hidden, hidden]}


@way
async def _a_job_whose_id_is_used_again(stage: Stage) -> dict[str, list[Told]]:
    """Who sees the second job is not told of the first."""
    await stage.ask(("PUT", "/jobs/j", {"name": "secret"}), ("DELETE", "/jobs/j"))
    await stage.ask(("PUT", "/jobs/j", {"owner": "mo", "name": "mine"}))
    first = {"name": "secret", "owner": "root"}
    second = ("job.created", "job:j", {"name": "mine", "owner": "mo"})
    return {"mo": [second], "admin": [("job.created", "job:j", first), ("job.deleted", "job:j", first), second]}


@way
async def _a_declared_state(stage: Stage) -> dict[str, list[Told]]:
    """What is only rehearsed is not told."""
    declared = {
        "groups": [{"name": "made", "members": ["mo"]}],
        "pipelines": [{"name": "hidden", "grants": [{"group": "old", "permissions": []}]}],
    }
    await stage.ask(("POST", "/apply", {**declared, "dry_run": True}), ("POST", "/apply", declared))
    return {"mo": stage.given("group:old") + stage.joined("made")}


@way
async def _the_command_line(stage: Stage) -> dict[str, list[Told]]:
    hidden = UUID(stage.hidden)
    async with open_database(stage.dsn, stage.settings) as database:
        call = Call(operator(stage.world.id), database)
        await put_user_grant(call, PutUserGrant(pipeline_id=hidden, username="mo", permissions=READ))
        await put_group_grant(call, PutGroupGrant(pipeline_id=hidden, name="old", permissions=READ))
        await add_member(call, MemberRef(name="theirs", username="mo"))
    return {"mo": stage.given("user:mo") + stage.given("group:old") + stage.joined("theirs")}


@way
async def _imported_access(stage: Stage) -> dict[str, list[Told]]:
    """Of each thing by itself, and of none that was so already."""
    group, grant = str(uuid4()), {"type": "grant", "permissions": [RIGHTS], "is_manager": False}
    user = {"type": "user", "id": stage.mo_id, **stage.of, "username": "mo", "display_name": "Mo"}
    await stage.load(
        {**user, "role": "pipeline_admin"},
        {"type": "group", "id": group, **stage.of, "name": "imported"},
        {"type": "membership", "group_id": group, "user_id": stage.mo_id},
        {"type": "membership", "group_id": str(stage.group), "user_id": stage.mo_id},
        {**grant, "pipeline_id": stage.hidden, "user_id": stage.mo_id},
        {**grant, "pipeline_id": stage.p, "user_id": stage.mo_id, "is_manager": True},
        {**grant, "pipeline_id": stage.hidden, "group_id": group},
    )
    await stage.load({**user, "role": "pipeline_admin", "display_name": "Another"})
    both = stage.given("user:mo") + stage.given("user:mo", stage.p)
    return {
        "mo": [
            ("access.changed", "user:mo", {"role": "pipeline_admin"}),
            *stage.joined("imported"),
            *sorted(both),
            *stage.given("group:imported"),
        ]
    }


@way
async def _imported_pipelines(stage: Stage) -> dict[str, list[Told]]:
    made, named = str(uuid4()), {"type": "pipeline", **stage.of}
    await stage.load(
        {**named, "id": stage.p, "name": "renamed"},
        {**named, "id": stage.hidden, "name": "hidden"},
        {**named, "id": made, "name": "imported"},
    )
    mine = ("pipeline.changed", f"pipeline:{stage.p}", {"name": "renamed"})
    return {"mo": [mine], "admin": [mine, ("pipeline.created", f"pipeline:{made}", {"name": "imported"})]}


@way
async def _an_organization_renamed(stage: Stage) -> dict[str, list[Told]]:
    await stage.load({"type": "organization", "id": str(stage.world.id), "name": "Renamed"})
    return {}


@pytest.mark.parametrize("name", [*WAYS])
async def test_changes_of_access_are_told_once_to_those_concerned(stage: Stage, name: str) -> None:
    begun = {viewer: (await caller.get("/changes")).body["next_cursor"] for viewer, caller in stage.viewers.items()}

    expected = await WAYS[name](stage)

    for viewer, caller in stage.viewers.items():
        found, cursors = await told(caller, begun[viewer])
        if name.startswith("imported"):
            found = _in_any_order_within_grants(found)
        assert found == expected.get(viewer, []), viewer
        assert len({*cursors}) == len(cursors)
    found, cursors = await told(stage.mo, begun["mo"], page_size="1")
    assert found == (await told(stage.mo, begun["mo"]))[0]
    for number, cursor in enumerate(cursors):
        assert (await told(stage.mo, cursor))[0] == found[number + 1 :]
    entries, _ = await told(stage.admin, begun["admin"], all="true")
    trail = (await stage.admin.get("/audit")).body["audit"]
    assert [target for _, target, _ in entries] == [each["target"] for each in trail[::-1]]


def _in_any_order_within_grants(found: list[Told]) -> list[Told]:
    """Sort what an import has written to one table, which it writes in no order."""
    places = [place for place, each in enumerate(found) if "/user:" in each[1] or each[1].startswith("pipeline:")]
    some = sorted(found[place] for place in places)
    for place, each in zip(places, some, strict=True):
        found[place] = each
    return found


async def test_changes_of_an_import_come_in_pages_and_are_resumed_within_its_entries(stage: Stage) -> None:
    """Of each 250 things that it writes there is one entry."""
    pipelines = [
        {"type": "pipeline", **stage.of, "id": str(uuid4()), "name": f"imported {number}"} for number in range(260)
    ]
    grants = [
        {
            "type": "grant",
            "permissions": [RIGHTS],
            "is_manager": False,
            "pipeline_id": each["id"],
            "user_id": stage.mo_id,
        }
        for each in pipelines
    ]
    begun = (await stage.mo.get("/changes")).body["next_cursor"]
    await stage.load(*pipelines, *grants)

    found, cursors = await told(stage.mo, begun, page_size="90")
    assert [each[0] for each in found] == ["pipeline.created"] * 260 + ["access.changed"] * 260
    assert {each[1] for each in found} == {
        *(f"pipeline:{each['id']}" for each in pipelines),
        *(f"grant:{each['id']}/user:mo" for each in pipelines),
    }
    for place in (0, 99, 249, 250, 259, 260, 518, 519):
        rest, _ = await told(stage.mo, cursors[place], page_size="1000")
        assert rest == found[place + 1 :]
    assert [each[0] for each in (await told(stage.admin, begun))[0]] == ["pipeline.created"] * 260


async def test_newcomer_is_not_told_what_the_group_was_granted_before(stage: Stage) -> None:
    """Nor which pipelines were deleted that it was granted on: they were hidden from the newcomer at each moment."""
    gone, imported = str(await stage.world.pipeline("a secret")), str(await stage.world.pipeline("another"))
    where = f"/flow/pipeline/{stage.hidden}/grants/groups/old"
    grant = {"permissions": [RIGHTS], "is_manager": False, "group_id": str(stage.group)}
    await stage.ask(
        ("PUT", where, {"permissions": []}),
        ("DELETE", where),
        ("PUT", f"/flow/pipeline/{gone}/grants/groups/old", {"permissions": []}),
        ("DELETE", f"/flow/pipeline/{gone}"),
    )
    await stage.load({"type": "grant", **grant, "pipeline_id": imported})
    await stage.ask(("DELETE", f"/flow/pipeline/{imported}"), ("PUT", "/groups/old/members/stranger"))
    later = str(await stage.world.pipeline("a later one"))
    of_later = f"/flow/pipeline/{later}"
    await stage.ask(
        ("PUT", f"{of_later}/grants/groups/old", {"permissions": []}),
        ("DELETE", of_later),
    )

    since = [*stage.given("group:old", later), ("pipeline.deleted", f"pipeline:{later}", {"name": "a later one"})]
    assert (await told(stage.stranger, "0"))[0] == [*stage.joined(), *since]
    known = {target for _, target, _ in (await told(stage.mo, "0"))[0]}
    assert {f"grant:{stage.hidden}/group:old", f"pipeline:{gone}", f"grant:{imported}/group:old"} <= known
