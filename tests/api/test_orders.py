"""Orders and totals: every list of the administration in each of its orders, page by page."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from service.http.routes import ROUTES, Route
from service.permissions import READ
from service.repositories import ordering
from service.repositories.ordering import Orders
from tests.api.calls import As
from tests.api.test_pages_and_conditions import fill
from tests.conftest import Client
from tests.docs.pages import text_of
from tests.factories import World

API = "docs/reference/api.md"
ORDERED = [route for route in ROUTES if "order_by" in route.places]


def test_lists_of_the_administration_have_orders_and_totals() -> None:
    assert {route.operation.__name__ for route in ORDERED} == {
        "list_pipeline_jobs",
        "list_grants",
        "list_access",
        "list_jobs",
        "list_users",
        "list_user_groups",
        "list_groups",
        "list_members",
        "list_group_grants",
        "list_tokens",
        "list_audit",
    }
    assert all("total" in route.places for route in ORDERED)


def orders_of(path: str) -> Orders:
    """Return the orders of the list at an address."""
    for route in ORDERED:
        steps = zip(route.path.split("/"), f"/api/v1{path}".split("/"), strict=False)
        if route.path.count("/") == path.count("/") + 2 and all(a == b or a.startswith("{") for a, b in steps):
            found: Orders = route.request.orders  # type: ignore[attr-defined] # it is one of those
            return found
    raise LookupError(path)


def lists(filled: dict[str, tuple[str, str]]) -> Iterator[tuple[str, str, str]]:
    """Yield the lists that have orders: the path, the name of the items, and the key that tells them apart."""
    for path, (items, key) in filled.items():
        if path not in ("/flow/pipeline", "/jobs/pipelines", "/users/root/pipelines"):
            yield path, items, key


async def walk(call: As, path: str, items: str, key: str, **query: str) -> list[Any]:
    found: list[Any] = []
    page: dict[str, str] = {}
    while True:
        answer = await call.get(path, page_size="2", **query, **page)
        assert answer.status == 200, answer.body
        found += [item[key] for item in answer.body[items]]
        if "next_page_token" not in answer.body:
            return found
        page = {"page_token": answer.body["next_page_token"]}


async def vary(world: World) -> None:
    """Let things differ in what they are ordered by, and some of them lack it."""
    some = "SELECT id FROM tokens WHERE organization_id = $1 ORDER BY id"
    for change in (
        "users SET display_name = 'X' || username, display_name_key = 'x' || username WHERE username IN ('u2', 'u5')",
        "users SET email = 'a@b', email_key = 'a@b' WHERE username IN ('u1', 'u3')",
        "users SET created_at = created_at - interval '1 day' WHERE username = 'u4'",
        "user_grants SET expires_at = now() + interval '1 day'"
        " WHERE user_id IN (SELECT id FROM users WHERE username = 'u4')",
        f"tokens SET last_used_at = now() WHERE id IN ({some} LIMIT 3)",
        f"tokens SET expires_at = now() + interval '1 day' WHERE id IN ({some} DESC LIMIT 4)",
        "tokens SET name = 'renamed' WHERE last_used_at IS NULL",
    ):
        await world.raw.execute(f"UPDATE {change} AND organization_id = $1", world.id)


async def test_pages_in_every_order_make_up_the_list_in_that_order(client: Client, world: World) -> None:
    admin = await world.user("root", role="admin")
    call = As.member(client, admin)
    filled = await fill(world, admin)
    await vary(world)
    for path, items, key in lists(filled):
        plain = [item[key] for item in (await call.get(path, page_size="1000")).body[items]]
        orders = orders_of(path)
        for name in orders.by_name:
            up, down = [await walk(call, path, items, key, order_by=word) for word in (name, f"-{name}")]
            assert sorted(map(str, up)) == sorted(map(str, plain)), (path, name)
            assert up == down[::-1], (path, name)
            if name == orders.default.removeprefix("-"):
                assert plain == (down if orders.default.startswith("-") else up), path


async def test_rows_are_in_the_order_of_the_field_that_is_named(client: Client, world: World) -> None:
    admin = await world.user("root", role="admin")
    call = As.member(client, admin)
    filled = await fill(world, admin)
    await vary(world)
    latest = "9"
    for path, items, _ in lists(filled):
        for name in orders_of(path).by_name:
            rows = (await call.get(path, order_by=name, page_size="1000")).body[items]
            if name == "name" and items == "grants":
                continue  # groups first
            missing = latest if name == "expires_at" else ""
            values = [str(row[name] or missing).lower() for row in rows]
            assert values == sorted(values), (path, name)


async def test_order_that_is_none_is_refused_with_the_names_of_those_there_are(client: Client, world: World) -> None:
    admin = await world.user("root", role="admin")
    call = As.member(client, admin)
    for path, _, _ in lists(await fill(world, admin)):
        for word in ("digest", "", "-", "--name", "name desc", "+name", "name,created_at", "id; DROP TABLE users"):
            answer = await call.get(path, order_by=word)
            assert (answer.status, [*answer.body["details"]]) == (400, ["order_by"]), (path, word)
            assert all(name in answer.body["msg"] for name in orders_of(path).names)


async def test_page_token_of_another_order_is_refused(client: Client, world: World) -> None:
    admin = await world.user("root", role="admin")
    call = As.member(client, admin)
    for path, _, _ in lists(await fill(world, admin)):
        words: list[str | None] = [None, *orders_of(path).names]
        for one in words:
            query = {"order_by": one} if one else {}
            token = (await call.get(path, page_size="2", **query)).body["next_page_token"]
            for other in words:
                asked = {"order_by": other} if other else {}
                answer = await call.get(path, page_size="2", page_token=token, **asked)
                assert answer.code == ("OK" if other == one else "INVALID_ARGUMENT"), (path, one, other)
            assert (await call.get(path, page_size="1", page_token=token, total="true", **query)).code == "OK"


async def test_total_is_told_if_it_is_asked_for(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = await world.user("root", role="admin")
    call = As.member(client, admin)
    for path, items, _ in lists(await fill(world, admin)):
        whole = len((await call.get(path, page_size="1000")).body[items])
        first = (await call.get(path, page_size="2", total="true")).body
        last = await call.get(path, page_size="2", page_token=first["next_page_token"], total="true")

        assert (first["total_size"], len(first[items]), "total_size_at_least" in first) == (whole, 2, False), path
        assert last.body["total_size"] == whole
        assert "total_size" not in (await call.get(path)).body


async def test_total_beyond_ten_thousand_is_said_to_be_more(client: Client, world: World) -> None:
    admin = await world.user("root", role="admin")
    call = As.member(client, admin)
    insert = """
        INSERT INTO users (organization_id, id, username)
        SELECT $1, gen_random_uuid(), 'u' || n FROM generate_series($2::int, $3::int) n
    """
    await world.raw.execute(insert, world.id, 2, ordering.MAX_COUNTED)

    exact = (await call.get("/users", page_size="1", total="true")).body
    await world.raw.execute(insert, world.id, 0, 0)
    more = (await call.get("/users", page_size="1", total="true")).body
    fitting = (await call.get("/users", page_size="1", q="u999", total="true")).body

    assert (exact["total_size"], "total_size_at_least" in exact) == (10_000, False)
    assert (more["total_size_at_least"], "total_size" in more) == (10_000, False)
    assert fitting["total_size"] == 11


async def test_documented_lists_take_neither_order_nor_total(client: Client, world: World) -> None:
    call = As.member(client, await world.user("root", role="admin"))
    for path in ("/flow/pipeline", "/jobs/pipelines", "/users/root/pipelines"):
        for query in ({"order_by": "name"}, {"total": "true"}):
            assert (await call.get(path, **query)).code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("route", ORDERED, ids=lambda route: route.operation.__name__)
def test_reference_names_the_orders_of_each_list(route: Route) -> None:
    orders: Orders = route.request.orders  # type: ignore[attr-defined] # it is one of those
    rows = [
        line for line in text_of(API).splitlines() if f"`{route.path.removeprefix('/api/v1')}`" in line.split(" | ")[0]
    ]

    (row,) = [row for row in rows if row.startswith("| ")]
    assert {word.removeprefix("-") for word in re.findall("`([^`]+)`", row.split(" | ", 1)[1])} == {*orders.by_name}
    assert f"**`{orders.default}`**" in row


async def test_members_order_users_and_groups_by_what_they_see(client: Client, world: World) -> None:
    """The order would tell what the list does not show."""
    mia, root = await world.user("mia"), await world.user("root", role="admin")
    await world.group(mia, name="reviewers")
    for token in (mia.token, await world.token(root.id, scopes=READ)):
        call = As(client, token)
        for path, name in (("/users", "username"), ("/groups", "name"), ("/users/mia/groups", "name")):
            if path.endswith("mia/groups") and token != mia.token:
                continue
            assert (await call.get(path, order_by=f"-{name}", total="true")).code == "OK"
            orders = orders_of(path)
            for hidden in set(orders.names) - {name, f"-{name}"}:
                assert (await call.get(path, order_by=hidden)).code == "PERMISSION_DENIED"


@pytest.mark.parametrize("route", ORDERED, ids=lambda route: route.operation.__name__)
def test_keys_of_all_orders_fit_their_columns(route: Route) -> None:
    orders: Orders = route.request.orders  # type: ignore[attr-defined] # it is one of those
    assert orders.default.removeprefix("-") in orders.by_name
    assert all(order.columns for order in orders.by_name.values())


async def test_order_by_a_display_name_that_folds_into_much_has_a_page_token(client: Client, world: World) -> None:
    """One character becomes eighteen, and each of them takes two bytes."""
    call = As.member(client, await world.user("root", role="admin"))
    for username in ("a", "b", "c"):
        body = {"username": username * 100, "display_name": "\ufdfa" * 255, "email": f"{chr(0xFDFA) * 310}@x"}
        assert (await call("POST", "/users", body)).status == 201

    for field in ("display_name", "email"):
        assert await walk(call, "/users", "users", "username", order_by=field) == [
            "root",
            *(name * 100 for name in ("a", "b", "c")),
        ]
