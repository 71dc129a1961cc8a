"""The feed of changes by HTTP: what each caller is told, in which order, and from where on."""

from typing import Any

import asyncpg
import pytest

from service.feed.cursor import Cursor
from service.permissions import EXECUTE, READ
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

INSERT = "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'command line', $2, $3)"


async def told(caller: As, after: str = "0", **query: str) -> list[tuple[str, str, Any]]:
    """Return what a caller is told behind a place, over as many pages as it takes."""
    found: list[tuple[str, str, Any]] = []
    while True:
        answer = await caller.get("/changes", after=after, **query)
        assert answer.status == 200, answer.body
        found += [(each["type"], each["target"], each["data"]) for each in answer.body["changes"]]
        if answer.body["next_cursor"] == after or not answer.body["changes"]:
            return found
        after = answer.body["next_cursor"]


async def begin(caller: As) -> str:
    answer = await caller.get("/changes")
    assert (answer.status, answer.body["changes"]) == (200, [])
    cursor: str = answer.body["next_cursor"]
    return cursor


class Stage:
    """An administrator, a reader of one pipeline, and a member who may read nothing."""

    def __init__(self, client: Client, world: World) -> None:
        self.client, self.world = client, world

    async def set(self) -> None:
        world = self.world
        root, self.reader, stranger = (
            await world.user("root", role="admin"),
            await world.user("reader"),
            await world.user("stranger"),
        )
        self.pipeline, self.hidden = await world.pipeline("seen"), await world.pipeline("hidden")
        await world.grant(self.pipeline, self.reader, READ)
        self.admin, self.caller, self.outside = (As.member(self.client, each) for each in (root, self.reader, stranger))


@pytest.fixture(name="stage")
async def _stage(client: Client, world: World) -> Stage:
    stage = Stage(client, world)
    await stage.set()
    return stage


async def test_changes_of_a_job_are_told_by_the_pipelines_that_the_caller_may_read(stage: Stage) -> None:
    seen, hidden = str(stage.pipeline), str(stage.hidden)
    await stage.admin("PUT", "/jobs/j", {"name": "n", "pipeline_ids": [seen, hidden]})
    await stage.admin("POST", "/jobs/pipelines", {"job_id": "j", "pipeline_ids": [hidden]})
    await stage.admin("DELETE", "/jobs/j")
    await stage.admin("PUT", "/jobs/k", {})
    await stage.admin("POST", "/jobs/pipelines", {"job_id": "k", "pipeline_ids": [hidden]})

    created = ("job.created", "job:j", {"name": "n", "owner": "root"})
    moved = [
        ("job.pipelines_changed", "job:j", {"added": [seen, hidden], "removed": []}),
        ("job.pipelines_changed", "job:j", {"added": [], "removed": [seen]}),
    ]
    deleted = ("job.deleted", "job:j", {"name": "n", "owner": "root"})
    other = [
        ("job.created", "job:k", {"name": "", "owner": "root"}),
        ("job.pipelines_changed", "job:k", {"added": [hidden], "removed": []}),
    ]
    assert await told(stage.admin) == [created, *moved, deleted, *other]
    assert await told(stage.caller) == [
        ("job.pipelines_changed", "job:j", {"added": [seen], "removed": []}),
        ("job.pipelines_changed", "job:j", {"added": [], "removed": [seen]}),
    ]
    assert await told(stage.outside) == []


async def test_changes_of_a_pipeline_are_told_to_its_readers_also_its_deletion(
    stage: Stage,
) -> None:
    where = f"/flow/pipeline/{stage.pipeline}"
    after = await begin(stage.caller)
    await stage.admin("PATCH", where, {"name": "renamed"})
    assert await told(stage.caller, after) == [("pipeline.changed", f"pipeline:{stage.pipeline}", {"name": "renamed"})]
    await stage.admin("DELETE", where)
    made = await stage.admin("POST", "/flow/pipeline", {"name": "another"})

    gone = ("pipeline.deleted", f"pipeline:{stage.pipeline}", {"name": "renamed"})
    created = ("pipeline.created", f"pipeline:{made.body['pipeline']['id']}", {"name": "another"})
    assert await told(stage.caller, after) == [gone]
    assert await told(stage.outside, after) == []
    assert (await told(stage.admin, after))[1:] == [gone, created]


async def test_changes_stop_where_access_was_withdrawn(stage: Stage) -> None:
    after = await begin(stage.caller)
    await stage.admin("PUT", "/jobs/j", {"pipeline_ids": [str(stage.pipeline)]})
    assert [each[0] for each in await told(stage.caller, after)] == ["job.created", "job.pipelines_changed"]
    await stage.admin("DELETE", f"/flow/pipeline/{stage.pipeline}/grants/users/reader")

    assert await told(stage.caller, after) == [
        ("access.changed", f"grant:{stage.pipeline}/user:reader", {"pipeline_id": str(stage.pipeline)})
    ]


async def test_changes_of_access_are_the_callers_own(stage: Stage) -> None:
    after = await begin(stage.caller)
    where = f"/flow/pipeline/{stage.hidden}/grants"
    for method, path, body in (
        ("PUT", f"{where}/users/stranger", {"permissions": []}),
        ("POST", "/groups", {"name": "g"}),
        ("PUT", f"{where}/groups/g", {"permissions": []}),
        ("PUT", "/groups/g/members/reader", None),
        ("PATCH", "/users/stranger", {"display_name": "S"}),
        ("PATCH", "/users/reader", {"role": "pipeline_admin"}),
        ("DELETE", "/groups/g", None),
    ):
        assert (await stage.admin(method, path, body)).status in (200, 201)

    mine = [
        ("access.changed", "group:g", {"group": "g"}),
        ("access.changed", "user:reader", {"role": "pipeline_admin"}),
        ("access.changed", "group:g", {"group": "g"}),
    ]
    grant = ("access.changed", f"grant:{stage.hidden}/user:stranger", {"pipeline_id": str(stage.hidden)})
    assert await told(stage.caller, after) == mine
    assert await told(stage.outside, after) == [grant]


async def test_changes_of_a_groups_grants_are_told_to_its_members(stage: Stage) -> None:
    await stage.world.group(stage.reader, name="Reviewers")
    after = await begin(stage.caller)
    await stage.admin("PUT", f"/flow/pipeline/{stage.hidden}/grants/groups/reviewers", {"permissions": []})

    assert [each[0] for each in await told(stage.caller, after)] == ["access.changed"]
    assert await told(stage.outside, after) == []


async def test_changes_by_a_token_whose_scopes_lack_read(stage: Stage) -> None:
    narrow = As(stage.client, await stage.world.token(stage.reader.id, scopes=EXECUTE))
    await stage.admin("PUT", "/jobs/j", {"pipeline_ids": [str(stage.pipeline)]})
    await stage.admin("PATCH", f"/flow/pipeline/{stage.pipeline}", {"name": "renamed"})
    await stage.admin("PUT", f"/flow/pipeline/{stage.hidden}/grants/users/reader", {"permissions": []})

    assert await told(narrow) == []
    assert len(await told(stage.caller)) == 4


async def test_changes_behind_a_cursor_that_is_made_up_are_read_or_refused(stage: Stage) -> None:
    """With a snapshot of thousands of transactions, or with numbers that PostgreSQL takes for none."""
    await stage.world.raw.execute(
        "INSERT INTO audit (organization_id, actor, action, target)"
        " SELECT $1, 'command line', 'test', 't' FROM generate_series(1, 3000)",
        stage.world.id,
    )
    now = Cursor.read(await begin(stage.caller), stage.world.id)
    many = f"1:{2**40 - 1}:{','.join(str(2**39 + number) for number in range(1, 3000))}"
    for made_up in (now._replace(seen=many), now._replace(seen="1:1:", target=many)):
        answer = await stage.caller.get("/changes", after=made_up.write(stage.world.id))
        assert answer.status == 200
        assert await told(stage.caller, made_up.write(stage.world.id)) == []
    none = now._replace(seen=f"1:{2**62}:").write(stage.world.id)
    assert (await stage.caller.get("/changes", after=none)).code == "INVALID_ARGUMENT"


async def test_changes_of_all_are_for_administrators(stage: Stage) -> None:
    await stage.admin("POST", "/groups", {"name": "g"})
    await stage.admin("PUT", "/jobs/j", {"pipeline_ids": [str(stage.hidden)]})

    assert await told(stage.admin, all="true") == [
        ("group.create", "group:g", {"before": None, "after": {"name": "g"}}),
        ("job.created", "job:j", {"name": "", "owner": "root"}),
        ("job.pipelines_changed", "job:j", {"added": [str(stage.hidden)], "removed": []}),
    ]
    assert (await stage.caller.get("/changes", all="true")).code == "PERMISSION_DENIED"


async def test_changes_of_all_have_the_entries_of_the_trail(stage: Stage) -> None:
    await stage.admin("POST", "/groups", {"name": "g"})
    await stage.admin("PUT", "/jobs/j", {"pipeline_ids": [str(stage.hidden)]})
    found = (await stage.admin.get("/changes", after="0", all="true")).body["changes"]

    assert [each["entry"] for each in found] == (await stage.admin.get("/audit")).body["audit"][::-1]
    assert not any("entry" in each for each in (await stage.admin.get("/changes", after="0")).body["changes"])


async def test_changes_in_pages_come_each_once_and_are_resumed_behind_any(stage: Stage, replica: Client) -> None:
    for number in range(7):
        await stage.admin("PUT", f"/jobs/{number}", {})
    whole = (await stage.admin.get("/changes", after="0")).body["changes"]
    there = As(replica, stage.admin.token)

    assert [each["target"] for each in whole] == [f"job:{number}" for number in range(7)]
    assert await told(there, page_size="3") == await told(stage.admin)
    for number, each in enumerate(whole):
        assert await told(there, each["cursor"]) == (await told(stage.admin))[number + 1 :]


async def test_changes_name_actor_and_time(stage: Stage) -> None:
    await stage.admin("PUT", "/jobs/j", {})
    (change,) = (await stage.admin.get("/changes", after="0")).body["changes"]
    (entry,) = (await stage.admin.get("/audit")).body["audit"]

    assert (change["actor"], change["at"]) == (entry["actor"], entry["at"]) == ("root", entry["at"])


async def test_changes_have_what_commits_late_with_an_earlier_id(stage: Stage, dsn: str) -> None:
    after = await begin(stage.admin)
    writer = await asyncpg.connect(dsn)
    late = writer.transaction()
    await late.start()
    await writer.execute(INSERT, stage.world.id, "test", "late")
    await stage.world.raw.execute(INSERT, stage.world.id, "test", "early")
    found = await stage.admin.get("/changes", after=after, all="true")
    await late.commit()
    await writer.close()

    assert [each["target"] for each in found.body["changes"]] == ["early"]
    assert [each[1] for each in await told(stage.admin, found.body["next_cursor"], all="true")] == ["late"]


async def test_changes_from_the_beginning_have_entries_that_name_no_transaction(stage: Stage) -> None:
    statement = INSERT.replace("target)", "target, transaction_id)").replace("$3)", "$3, NULL)")
    await stage.world.raw.execute(statement, stage.world.id, "test", "old")
    await stage.world.raw.execute(INSERT, stage.world.id, "test", "new")

    assert [each[1] for each in await told(stage.admin, all="true")] == ["old", "new"]


@pytest.mark.parametrize("wrong", ["", "x", "00", "AQ", "Ünicode", "A" * 5_000])
async def test_changes_after_what_is_no_cursor(stage: Stage, wrong: str) -> None:
    answer = await stage.admin.get("/changes", after=wrong)

    assert (answer.status, answer.code, [*answer.body["details"]]) == (400, "INVALID_ARGUMENT", ["after"])


async def test_changes_after_a_cursor_that_was_changed_or_is_another_organizations(
    stage: Stage, client: Client
) -> None:
    cursor = await begin(stage.admin)
    other = Stage(client, await World.create(stage.world.raw))
    await other.set()
    for place in range(len(cursor)):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        if changed[:-1] != cursor[:-1]:
            assert (await stage.admin.get("/changes", after=changed)).status == 400

    assert (await other.admin.get("/changes", after=cursor)).status == 400


async def test_changes_after_a_cursor_that_is_older_than_what_is_kept(stage: Stage) -> None:
    await stage.admin("PUT", "/jobs/j", {})
    after = await begin(stage.admin)
    await stage.admin("PUT", "/jobs/k", {})
    await stage.world.raw.execute("DELETE FROM audit WHERE organization_id = $1", stage.world.id)
    answer = await stage.admin.get("/changes", after=after)

    assert (answer.status, answer.code) == (410, "FAILED_PRECONDITION")
    assert "older than what is kept" in answer.body["msg"]
    assert await told(stage.admin) == []


@pytest.mark.parametrize("place", ["0", "cursor"])
async def test_changes_are_cut_where_their_states_get_too_large(stage: Stage, place: str) -> None:
    """Of 14 entries, the largest alone is more than a page has room for."""
    after = "0" if place == "0" else await begin(stage.admin)
    sizes = [75_000] * 8 + [375_000] + [10] * 5
    large = INSERT.replace("target)", "target, after)").replace("$3)", "$3, jsonb_build_object('s', repeat('x', $4)))")
    for number, size in enumerate(sizes):
        await stage.world.raw.execute(large, stage.world.id, "test", f"{number}", size)
    pages = []
    while (found := (await stage.admin.get("/changes", after=after, all="true")).body)["changes"]:
        after = found["next_cursor"]
        pages.append([int(each["target"]) for each in found["changes"]])

    assert pages == [[0, 1, 2], [3, 4, 5], [6, 7], [8], [9, 10, 11, 12, 13]]


async def test_changes_that_say_little_of_large_states_are_cut_as_well(stage: Stage) -> None:
    large = INSERT.replace("target)", "target, before, after)").replace(
        "$3)", "$3, jsonb_build_object('s', repeat('x', 100000)), jsonb_build_object('pipeline_ids', $4::uuid[]))"
    )
    for number in range(6):
        await stage.world.raw.execute(
            large,
            stage.world.id,
            "job.update_pipelines",
            f"job:{number}",
            [stage.pipeline if number > 2 else stage.hidden],
        )
    first = (await stage.caller.get("/changes", after="0")).body
    rest = (await stage.caller.get("/changes", after=first["next_cursor"])).body

    assert [[each["target"] for each in found["changes"]] for found in (first, rest)] == [
        ["job:3", "job:4"],
        ["job:5"],
    ]
