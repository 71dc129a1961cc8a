"""Lists whose items are lists, and lists without an end: bounded by what they hold, or made in slices."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from marshmallow import Schema, fields, validate

from service import slices
from service.http import endpoint, responses
from service.http.routes import ROUTES, Route
from service.operations import dispatcher, users
from service.operations import jobs as job_operations
from service.permissions import READ
from service.repositories import audit, jobs, pipelines
from service.schemas.answers import ListSchema
from service.values.casefold import casefold
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import Member, World


async def walk(call: As, path: str, name: str, **query: str) -> list[list[dict[str, Any]]]:
    """All pages of a list."""
    pages: list[list[dict[str, Any]]] = []
    token = None
    while token is not None or not pages:
        answer = (await call.get(path, **query, **({"page_token": token} if token else {}))).body
        pages.append(answer[name])
        token = answer.get("next_page_token")
    return pages


@pytest.mark.parametrize("page_size", ["3", "1000"])
async def test_page_of_jobs_ends_where_they_are_in_too_many_pipelines(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, page_size: str
) -> None:
    monkeypatch.setattr(jobs, "MAX_PIPELINES_OF_JOBS", 5)
    ada = await world.user()
    places = [await world.pipeline() for _ in range(7)]
    for place in places[:6]:
        await world.grant(place, ada, READ)
    sizes = [0, 7, 0, 2, 3, 0, 1, 6, 1, 1, 1, 1, 1, 0, 5]
    made = [await world.job(ada, *places[:size]) for size in sizes]

    pages = await walk(As.member(client, ada), "/jobs", "jobs", page_size=page_size)

    assert [job["id"] for page in pages for job in page] == made[::-1]
    assert [len(job["flow_pipeline_infos"]) for page in pages for job in page] == [min(size, 6) for size in sizes[::-1]]
    for page in pages:
        assert len(page) <= int(page_size)
        assert len(page) == 1 or sum(sizes[made.index(job["id"])] for job in page) <= 5
    assert len(pages) < len(made)


async def test_page_of_the_audit_trail_ends_where_states_are_large(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_PAGE_BYTES", 900)
    admin = As.member(client, await world.user(role="admin"))
    for size in (10, 100, 2_000, 200, 10, 10):
        await admin("POST", "/flow/pipeline", {"name": str(uuid4()), "description": "ä" * size})

    pages = await walk(admin, "/audit", "audit", page_size="1000")

    lengths = [[len(entry["after"]["description"]) for entry in page] for page in pages]
    assert lengths == [[10, 10, 200], [2_000], [100, 10]]


async def test_name_filter_is_normalised_once_and_names_are_not(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    normalised: list[str] = []

    def count(name: str) -> str:
        normalised.append(name)
        return casefold(name)

    ada = await world.user()
    places = [await world.pipeline(f"ﷺ {number}") for number in range(20)]
    for place in places:
        await world.grant(place, ada, READ)
    job = await world.job(ada, *places)
    monkeypatch.setattr(pipelines, "casefold", count)

    answer = await As.member(client, ada).get("/jobs/pipelines", job_id=job, name="ﷺ 1")

    assert [each["name"] for each in answer.body["pipelines"]] == sorted(f"ﷺ {n}" for n in (1, *range(10, 20)))
    assert normalised == ["ﷺ 1"]


async def many_pipelines(world: World, ada: Member, count: int) -> None:
    for _ in range(count):
        await world.grant(await world.pipeline(), ada, READ)


@pytest.mark.parametrize("role", ["member", "admin"])
async def test_long_list_is_made_in_slices_to_the_same_bytes(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    ada = await world.user(role=role)
    await many_pipelines(world, ada, 25)
    call = As.member(client, ada)
    fresh = {"Cache-Control": "no-cache"}
    whole = await call("GET", "/flow/pipeline", None, fresh)
    worked: list[int] = []
    encode = responses.encode

    def count(body: dict[str, Any]) -> bytes:
        worked.append(len(body["pipelines"]))
        return encode(body)

    monkeypatch.setattr(slices, "SLICE", 10)
    monkeypatch.setattr(dispatcher, "SLICE", 10)
    monkeypatch.setattr(endpoint, "encode", count)
    for query in ({}, {"page_size": "24"}):
        sliced = await call("GET", "/flow/pipeline", None, fresh, **query)
        assert max(worked) == 10
        assert sliced.body["pipelines"] == whole.body["pipelines"][: int(query.get("page_size", 25))]
        assert ("next_page_token" in sliced.body) == bool(query)
        if not query:
            assert sliced.headers["ETag"] == whole.headers["ETag"]
    assert len({UUID(each["id"]) for each in whole.body["pipelines"]}) == 25


async def test_slices_are_worked_on_one_after_the_other() -> None:
    worked: list[int] = []

    def work(items: list[int]) -> list[int]:
        worked.append(len(items))
        return items

    items = [*range(2 * slices.SLICE + 1)]
    assert await slices.in_slices(work, items) == items
    assert worked == [slices.SLICE, slices.SLICE, 1]


def lists_below(schema: Schema, path: str = "") -> Iterator[tuple[str, fields.List[Any]]]:
    """Yield every list below a schema."""
    for name, each in schema.fields.items():
        if isinstance(each, fields.List):
            yield f"{path}{name}", each
            each = each.inner  # noqa: PLW2901 - what it holds
        if isinstance(each, fields.Nested):
            yield from lists_below(each.schema, f"{path}{name}.")


def is_bounded(each: fields.List[Any]) -> bool:
    """Return whether a list has a longest length, or holds names of which there are few."""
    kinds = {type(rule) for rule in (*each.validators, *each.inner.validators)}
    return bool(kinds & {validate.Length, validate.OneOf})


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation.__name__)
def test_every_list_in_an_answer_is_bounded_or_paged(route: Route) -> None:
    schema = route.answer()
    pages = {name for name in schema.fields if isinstance(schema, ListSchema)}

    assert [name for name, each in lists_below(schema) if not is_bounded(each) and name not in pages] == []


async def test_groups_of_the_caller_are_named_up_to_a_number_and_the_others_counted(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, mia = await world.user("bob"), await world.user("mia")
    for name in ("c", "A", "b", "D", "e"):
        await world.group(bob, name=name)
    await world.group(mia, name="f")
    monkeypatch.setattr(users, "MAX_GROUPS", 3)

    me = (await As.member(client, bob).get("/users/me")).body["user"]
    other = (await As.member(client, mia).get("/users/me")).body["user"]

    assert (me["groups"], me["unlisted_groups"]) == (["A", "b", "c"], 2)
    assert other["groups"] == ["f"]
    assert "unlisted_groups" not in other


async def test_job_names_pipelines_up_to_a_number_and_counts_the_others(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An import may put a job into any number."""
    ada = await world.user()
    places = [await world.pipeline() for _ in range(6)]
    for place in places[:5]:
        await world.grant(place, ada, READ)
    job, other = await world.job(ada, *places), await world.job(ada, *places[:3])
    monkeypatch.setattr(job_operations, "MAX_PIPELINES", 3)
    call = As.member(client, ada)

    whole = (await call.get(f"/jobs/{job}")).body["job"]
    listed = {each["id"]: each for each in (await call.get("/jobs")).body["jobs"]}

    assert [each["id"] for each in whole["flow_pipeline_infos"]] == [str(place) for place in places[:3]]
    assert whole["unlisted_pipelines"] == 2, "of those that the caller may read"
    assert listed[job] == whole
    assert "unlisted_pipelines" not in listed[other]
