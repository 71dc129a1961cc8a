"""The overview: what needs an administrator's attention, counted and listed within bounds."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service.permissions import EXECUTE, FULL_ACCESS, READ, SCOPE_ADMIN, SCOPE_TOKENS
from service.repositories import overview
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import PAST, Member, World

DAY = timedelta(days=1)


async def seen(client: Client, world: World) -> dict[str, Any]:
    admin = As.member(client, await world.user("root", role="admin"))
    answer = await admin.get("/overview")
    assert answer.code == "OK", answer.body
    found: dict[str, Any] = answer.body["overview"]
    return found


async def test_overview_of_an_empty_organization_finds_nothing(client: Client, world: World) -> None:
    nothing = {"total_size": 0}
    assert await seen(client, world) == {
        "unexecuted_pipelines": {**nothing, "pipelines": []},
        "ending_grants": {**nothing, "grants": []},
        "unused_tokens": {**nothing, "tokens": []},
        "jobs_in_no_pipeline": {**nothing, "jobs": []},
        "self_granted_managers": {**nothing, "managers": []},
        "queues": [],
    }


async def test_overview_finds_pipelines_without_executors(client: Client, world: World) -> None:
    """A grant counts that has not ended, and that reaches a user who is not disabled."""
    ada, gone = await world.user("ada"), await world.user("gone")
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", gone.id)
    soon = datetime.now(UTC) + 30 * DAY
    cases: tuple[tuple[str, Member | UUID, int, datetime | None], ...] = (
        ("executed", ada, READ | EXECUTE, soon),
        ("managed", ada, FULL_ACCESS, None),
        ("by a group", await world.group(ada, gone), READ | EXECUTE, None),
        ("only read", ada, READ, None),
        ("ended", ada, READ | EXECUTE, PAST),
        ("disabled", gone, READ | EXECUTE, None),
        ("disabled group", await world.group(gone), READ | EXECUTE, None),
        ("empty group", await world.group(), READ | EXECUTE, None),
    )
    for name, grantee, access, end in cases:
        await world.grant(await world.pipeline(name), grantee, access, end)
    await world.pipeline("granted to nobody")

    found = (await seen(client, world))["unexecuted_pipelines"]

    assert [pipeline["name"] for pipeline in found["pipelines"]] == sorted(
        ("only read", "ended", "disabled", "disabled group", "empty group", "granted to nobody")
    )
    assert found["total_size"] == 6


async def test_overview_finds_grants_that_end_within_a_week(client: Client, world: World) -> None:
    ada, now = await world.user("ada"), datetime.now(UTC)
    cases: tuple[tuple[str, Member | UUID, datetime | None], ...] = (
        ("in six days", ada, now + 6 * DAY),
        ("in two days", await world.group(ada, name="reviewers"), now + 2 * DAY),
        ("in eight days", ada, now + 8 * DAY),
        ("over", ada, PAST),
        ("without an end", ada, None),
    )
    for name, grantee, end in cases:
        await world.grant(await world.pipeline(name), grantee, READ | EXECUTE, end)

    found = (await seen(client, world))["ending_grants"]

    assert [(grant["pipeline"]["name"], grant["username"], grant["group"]) for grant in found["grants"]] == [
        ("in two days", None, "reviewers"),
        ("in six days", "ada", None),
    ]
    assert found["total_size"] == 2


async def test_overview_finds_good_tokens_unused_for_90_days(client: Client, world: World) -> None:
    ada, gone = await world.user("ada"), await world.user("gone")
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", gone.id)
    now = datetime.now(UTC)
    for name, user, made, used, end, revoked in (
        ("never used", ada, 100, None, None, None),
        ("used long ago", ada, 200, 95, now + DAY, None),
        ("used", ada, 100, 89, None, None),
        ("new", ada, 80, None, None, None),
        ("expired", ada, 100, None, PAST, None),
        ("revoked", ada, 100, None, None, now),
        ("disabled", gone, 100, None, None, None),
    ):
        secret = await world.token(user.id, expires_at=end, revoked_at=revoked)
        await world.raw.execute(
            "UPDATE tokens SET name = $2, created_at = $3, last_used_at = $4 WHERE digest = $1",
            hashlib.sha256(secret.encode()).digest(), name, now - made * DAY, used and now - used * DAY,
        )  # fmt: skip

    found = (await seen(client, world))["unused_tokens"]

    assert [(token["name"], token["username"]) for token in found["tokens"]] == [
        ("used long ago", "ada"),
        ("never used", "ada"),
    ]
    assert found["total_size"] == 2


async def test_overview_finds_the_newest_jobs_in_no_pipeline(client: Client, world: World) -> None:
    ada, pipeline = await world.user("ada"), await world.pipeline()
    await world.job(ada, pipeline, job_id="in")
    for number in range(12):
        await world.job(ada, job_id=f"loose-{number:02}")

    found = (await seen(client, world))["jobs_in_no_pipeline"]

    assert [job["id"] for job in found["jobs"]] == [f"loose-{number:02}" for number in range(11, 1, -1)]
    assert found["total_size"] == 12


async def test_overview_finds_managers_of_their_own_making(client: Client, world: World) -> None:
    root = await world.user("ada", role="admin")
    bob = await world.user("bob")
    own, given, made = [await world.pipeline(name) for name in ("own", "given", "made over")]
    admin, manager = As.member(client, root), {"permissions": [], "is_manager": True}
    await admin("PUT", f"/flow/pipeline/{own}/grants/users/ada", manager)
    await admin("PUT", f"/flow/pipeline/{given}/grants/users/bob", manager)
    await admin("PUT", f"/flow/pipeline/{made}/grants/users/ada", {"permissions": ["flow_pipeline:read"]})
    await admin("POST", "/flow/pipeline", {"name": "created"})
    other = As.member(client, await world.user("eve", role="admin"))
    await other("PUT", f"/flow/pipeline/{made}/grants/users/ada", manager)

    found = (await seen(client, world))["self_granted_managers"]

    assert found == {"total_size": 1, "managers": [{"username": "ada", "pipeline": {"id": str(own), "name": "own"}}]}
    assert bob.username not in str(found)


async def test_overview_lists_the_oldest_queues_with_the_ages_of_their_jobs(client: Client, world: World) -> None:
    ada, now = await world.user("ada"), datetime.now(UTC)
    waiting, fresh = await world.pipeline("waiting"), await world.pipeline("fresh")
    await world.pipeline("empty")
    for pipeline, ages in ((fresh, [0]), (waiting, [0, 2, 3, 8, 40])):
        for age in ages:
            job = await world.job(ada, pipeline)
            await world.raw.execute(
                "UPDATE assignments SET assigned_at = $3 WHERE organization_id = $1 AND job_id = $2",
                world.id, job, now - age * DAY,
            )  # fmt: skip

    queues = (await seen(client, world))["queues"]

    assert [(queue["pipeline"]["name"], queue["total_size"]) for queue in queues] == [("waiting", 5), ("fresh", 1)]
    assert queues[0]["ages"] == {"under_a_day": 1, "under_a_week": 2, "under_a_month": 1, "longer": 1}


async def test_overview_counts_and_looks_at_rows_within_bounds(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, pipeline = await world.user("ada"), await world.pipeline("p")
    for _ in range(3):
        await world.job(ada)
        await world.job(ada, pipeline)
    monkeypatch.setattr(overview, "MAX_COUNTED", 2)
    found = await seen(client, world)
    assert {**found["jobs_in_no_pipeline"], "jobs": 0} == {"total_size_at_least": 2, "jobs": 0}

    monkeypatch.setattr(overview, "MAX_COUNTED", 100)
    monkeypatch.setattr(overview, "MAX_EXAMINED", 5)
    admin = As.member(client, await world.user("second", role="admin"))
    found = (await admin.get("/overview")).body["overview"]
    assert {**found["jobs_in_no_pipeline"], "jobs": 0} == {"total_size_at_least": 3, "jobs": 0}
    assert found["unexecuted_pipelines"]["total_size"] == 1


async def test_overview_is_limited_to_the_callers_organization(client: Client, world: World) -> None:
    other = await World.create(world.raw)
    ada = await other.user("ada")
    await other.job(ada)
    await other.pipeline("theirs")

    assert "theirs" not in str(await seen(client, world))


async def test_overview_is_for_administrators_alone(client: Client, world: World) -> None:
    for role in ("member", "pipeline_admin"):
        assert (await As.member(client, await world.user(role=role)).get("/overview")).code == "PERMISSION_DENIED"


@pytest.mark.parametrize(("scopes", "listed"), [(SCOPE_TOKENS, ["old"]), (0, [])], ids=["tokens", "no_tokens"])
async def test_overview_names_tokens_only_to_one_that_may_see_them(
    client: Client, world: World, scopes: int, listed: list[str]
) -> None:
    root = await world.user("root", role="admin")
    await world.raw.execute(
        "UPDATE tokens SET name = 'old', created_at = now() - interval '100 days' WHERE user_id = $1", root.id
    )
    narrow = As(client, await world.token(root.id, scopes=SCOPE_ADMIN | READ | scopes))

    found = (await narrow.get("/overview")).body["overview"]["unused_tokens"]

    assert (found["total_size"], [token["name"] for token in found["tokens"]]) == (1, listed)
