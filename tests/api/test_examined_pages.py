"""Pages that end once so many rows have been examined: they may be empty, and their tokens lead to all that fits."""

from typing import Any

import pytest

from service.permissions import DELETE, READ
from service.repositories import examining
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import Member, World

EXAMINED = 4


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examining, "MAX_EXAMINED", EXAMINED)
    monkeypatch.setattr(examining, "MAX_FEW", 0)


async def pages(call: As, path: str, name: str) -> list[list[Any]]:
    """Follow a list to its end; return what each page has, by id or username."""
    found, token = [], ""
    while True:
        body = (await call.get(f"{path}{f'&page_token={token}' if token else ''}")).body
        found.append([each.get("id") or each["username"] for each in body[name]])
        if "next_page_token" not in body:
            return found
        token = body["next_page_token"]


async def queue(world: World, jobs: int) -> tuple[Member, str, list[str]]:
    """Make a pipeline with jobs of somebody else in its queue; return a reader of it, its id, and the jobs, by age."""
    reader, owner, pipeline = await world.user(), await world.user(), await world.pipeline()
    await world.grant(pipeline, reader, READ)
    return reader, str(pipeline), [await world.job(owner, pipeline) for _ in range(jobs)]


async def test_search_of_a_queue_examines_so_many_jobs_for_a_page(client: Client, world: World) -> None:
    reader, pipeline, jobs = await queue(world, 10)
    await world.raw.execute("UPDATE jobs SET name = 'wanted' WHERE id = ANY ($1)", [jobs[5], jobs[9]])

    found = await pages(As.member(client, reader), f"/flow/pipeline/{pipeline}/jobs?q=wanted", "jobs")

    assert found == [[], [jobs[5]], [jobs[9]]]


async def test_search_of_a_queue_finds_what_fits_on_full_pages(client: Client, world: World) -> None:
    reader, pipeline, jobs = await queue(world, 11)
    await world.raw.execute("UPDATE jobs SET name = 'wanted' WHERE id = ANY ($1)", jobs[:9])

    found = await pages(As.member(client, reader), f"/flow/pipeline/{pipeline}/jobs?q=wanted&page_size=2", "jobs")

    assert [job for page in found for job in page] == jobs[:9]
    assert max(map(len, found)) == 2


@pytest.mark.parametrize("order_by", ["created_at", "-created_at", "id", "-id"])
async def test_list_of_jobs_examines_so_many_for_those_that_are_seen(
    client: Client, world: World, order_by: str
) -> None:
    reader, pipeline, jobs = await queue(world, 3)
    _, _, hidden = await queue(world, 9)
    _, _, later = await queue(world, 1)
    await world.raw.execute("UPDATE assignments SET pipeline_id = $1 WHERE job_id = $2", pipeline, later[0])
    seen = jobs + later
    wanted = sorted(seen) if order_by.endswith("id") else seen
    every = sorted(seen + hidden) if order_by.endswith("id") else jobs + hidden + later
    if order_by.startswith("-"):
        wanted, every = wanted[::-1], every[::-1]

    found = await pages(As.member(client, reader), f"/jobs?order_by={order_by}", "jobs")

    parts = [every[first : first + EXAMINED] for first in range(0, len(every), EXAMINED)]
    assert [job for page in found for job in page] == wanted
    assert found[: len(parts)] == [[job for job in part if job in seen] for part in parts]


async def test_search_of_jobs_examines_so_many_for_a_page(client: Client, world: World) -> None:
    _, _, jobs = await queue(world, 9)
    admin = As.member(client, await world.user(role="admin"))

    assert await pages(admin, f"/jobs?q={jobs[0]}", "jobs") == [[], [], [jobs[0]]]


async def test_list_of_users_with_a_permission_examines_so_many(client: Client, world: World) -> None:
    pipeline, users = await world.pipeline(), [await world.user(name) for name in "abcdefghi"]
    for user in users[:6]:
        await world.grant(pipeline, user, READ)
    await world.grant(pipeline, await world.group(users[7]), READ | DELETE)
    await world.raw.execute("UPDATE users SET disabled = true WHERE id = $1", users[1].id)
    admin = As.member(client, await world.user("z", role="admin"))

    holding = f"/flow/pipeline/{pipeline}/access?"
    assert await pages(admin, f"{holding}permission=flow_pipeline:delete", "users") == [[], ["h"], ["z"]]
    assert await pages(admin, holding, "users") == [["a", "c", "d"], ["e", "f", "h"], ["z"]]


@pytest.mark.parametrize("path", ["/flow/pipeline/{pipeline}/jobs", "/jobs"])
async def test_total_says_at_least_where_not_all_is_examined(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    _, pipeline, jobs = await queue(world, 5)
    await world.raw.execute("UPDATE jobs SET name = 'wanted' WHERE id = ANY ($1)", [jobs[0], jobs[4]])
    call = As.member(client, await world.user(role="admin"))
    path = f"{path.format(pipeline=pipeline)}?q=wanted&total=true"

    cut = (await call.get(path)).body
    monkeypatch.setattr(examining, "MAX_EXAMINED", 5)
    whole = (await call.get(path)).body

    assert ("total_size" in cut, cut["total_size_at_least"]) == (False, 1)
    assert ("total_size_at_least" in whole, whole["total_size"]) == (False, 2)
