"""Pages of the trail for an actor or an action look at so many entries and no more, and together show all that fit."""

from typing import Any

import pytest

from service.repositories import audit
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import World

ACTORS = ["ada", "bob", "bob", "bob", "bob", "ada", "bob", "bob", "bob", "bob", "bob", "Ada"]
"""The actors of the entries, the earliest first."""


@pytest.fixture
async def chief(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> As:
    """Fill a trail, let a page look at three entries of it, and return a client of an administrator."""
    monkeypatch.setattr(audit, "MAX_EXAMINED", 3)
    for number, actor in enumerate(ACTORS):
        await world.raw.execute(
            "INSERT INTO audit (organization_id, actor, action, target, at)"
            " VALUES ($1, $2, $3, 'job:' || $4::text, now() + $4::text::integer * interval '1 microsecond')",
            world.id,
            actor,
            "job.create" if actor == "bob" else "job.delete",
            str(number),
        )
    return As.member(client, await world.user("chief", role="admin"))


async def pages(call: As, **query: str) -> list[list[str]]:
    """Return the targets on each page."""
    found: list[list[str]] = []
    more: dict[str, Any] = {}
    while True:
        body = (await call.get("/audit", **query, **more)).body
        found.append([entry["target"].removeprefix("job:") for entry in body["audit"]])
        if "next_page_token" not in body:
            return found
        more = {"page_token": body["next_page_token"]}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"actor": "ada"}, [["11"], [], ["5"], ["0"], []]),
        ({"actor": "ADA", "order_by": "at"}, [["0"], ["5"], [], ["11"], []]),
        ({"action": "job.delete"}, [["11"], [], ["5"], ["0"], []]),
        ({"actor": "nobody"}, [[], [], [], [], []]),
        ({"actor": "ada", "action": "job.create"}, [[], [], [], [], []]),
        ({"actor": "ada", "target": "job:5"}, [["5"]]),
        ({"actor": "bob", "page_size": "2"}, [["10", "9"], ["8", "7"], ["6", "4"], ["3", "2"], ["1"]]),
    ],
)
async def test_pages_of_an_actor_or_action_show_all_that_fit(
    chief: As, query: dict[str, str], expected: list[list[str]]
) -> None:
    assert await pages(chief, **query) == expected


async def test_pages_without_either_end_where_the_trail_does(chief: As) -> None:
    assert [len(page) for page in await pages(chief, page_size="2")] == [2] * 6


async def test_total_of_what_was_not_all_looked_at_is_a_lower_bound(chief: As) -> None:
    few = (await chief.get("/audit", actor="bob", total="true")).body
    one = (await chief.get("/audit", actor="ada", target="job:5", total="true")).body
    whole = (await chief.get("/audit", total="true")).body

    assert ("total_size" in few, few["total_size_at_least"]) == (False, 2)
    assert (one["total_size"], whole["total_size"]) == (1, len(ACTORS))
