"""Pages, ETags and preconditions of every list and every write that has them."""

import base64
import string
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import orjson
import pytest

from service.authentication.bearer import token_digest
from service.errors import InvalidArgument
from service.http.routes import ROUTES
from service.permissions import MANAGER
from service.schemas.pages import Pages
from service.schemas.pipelines import ListPipelines
from service.schemas.request import schema_of
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import Member, World


async def fill(world: World, admin: Member) -> dict[str, tuple[str, str]]:
    """Create about seven of everything, and return by path of a list the names of its items and of their key."""
    pipeline = await world.pipeline("p0")
    group = await world.group(admin, name="g0")
    await world.job(admin, pipeline)
    for number in range(1, 7):
        user = await world.user(f"u{number}")
        await world.join(user, group)
        await world.grant(pipeline, user, MANAGER)
        await world.group(admin, name=f"g{number}")
        await world.pipeline(f"p{number}")
        await world.job(admin, pipeline)
        await world.token(admin.id)
    for number in range(7):
        await world.raw.execute(
            "INSERT INTO audit (organization_id, actor, action, target) VALUES ($1, 'x', 'y', $2)",
            world.id,
            str(number),
        )
    return {
        "/flow/pipeline": ("pipelines", "name"),
        "/jobs/pipelines": ("pipelines", "name"),
        f"/flow/pipeline/{pipeline}/jobs": ("jobs", "id"),
        f"/flow/pipeline/{pipeline}/grants": ("grants", "username"),
        f"/flow/pipeline/{pipeline}/access": ("users", "username"),
        "/jobs": ("jobs", "id"),
        "/users": ("users", "username"),
        "/groups": ("groups", "name"),
        "/groups/g0/members": ("members", "username"),
        "/users/root/pipelines": ("pipelines", "name"),
        "/users/root/groups": ("groups", "name"),
        "/tokens": ("tokens", "id"),
        "/audit": ("audit", "id"),
    }


async def walk(call: As, path: str, items: str, key: str, size: int) -> list[Any]:
    found: list[Any] = []
    query = {"page_size": str(size)}
    while True:
        answer = await call.get(path, **query)
        assert answer.status == 200, answer.body
        page = answer.body[items]
        assert len(page) <= size
        found += [item[key] for item in page]
        if "next_page_token" not in answer.body:
            return found
        assert len(page) == size
        query["page_token"] = answer.body["next_page_token"]


async def test_pages_of_any_size_make_up_the_whole_list(client: Client, world: World) -> None:
    admin = await world.user("root", role="admin")
    call = As.member(client, admin)
    for path, (items, key) in (await fill(world, admin)).items():
        whole = [item[key] for item in (await call.get(path, page_size="1000")).body[items]]

        assert len(whole) in (6, 7)
        assert [await walk(call, path, items, key, size) for size in (1, 3, 7)] == [whole] * 3


async def test_pages_miss_and_repeat_nothing_during_concurrent_changes(client: Client, world: World) -> None:
    ada = await world.user()
    for number in range(0, 20, 2):
        await world.grant(await world.pipeline(f"p{number:02}"), ada)
    call = As.member(client, ada)

    first = await call.get("/flow/pipeline", page_size="4")
    await world.grant(await world.pipeline("p01"), ada)  # before the next page: left out
    await world.grant(await world.pipeline("p09"), ada)  # within the next page: included
    await world.raw.execute("DELETE FROM pipelines WHERE organization_id = $1 AND name IN ('p06', 'p10')", world.id)
    rest = await call.get("/flow/pipeline", page_size="1000", page_token=first.body["next_page_token"])

    names = [pipeline["name"] for answer in (first, rest) for pipeline in answer.body["pipelines"]]
    assert names == ["p00", "p02", "p04", "p06", "p08", "p09", "p12", "p14", "p16", "p18"]


async def test_list_pipelines_without_a_page_size_is_whole(client: Client, world: World) -> None:
    admin = await world.user(role="admin")
    await world.raw.execute(
        """
        INSERT INTO pipelines (organization_id, id, name, name_key)
        SELECT $1, gen_random_uuid(), 'p' || n, 'p' || n FROM generate_series(1, 1500) n
        """,
        world.id,
    )

    whole = await As.member(client, admin).get("/flow/pipeline")

    assert (len(whole.body["pipelines"]), "next_page_token" in whole.body) == (1500, False)


async def test_page_token_that_was_altered_is_refused(client: Client, world: World) -> None:
    admin = await world.user("root", role="admin")
    call = As.member(client, admin)
    for path in await fill(world, admin):
        token = (await call.get(path, page_size="2")).body["next_page_token"]
        raw = bytearray(base64.urlsafe_b64decode(token))
        raw[0] ^= 1
        flipped = base64.urlsafe_b64encode(bytes(raw)).decode()

        for bad in (flipped, token[:-4], token + "AAAA", token[4:], "", "!", "é", "A" * 5000, "bnVsbA=="):
            answer = await call.get(path, page_size="2", page_token=bad)
            assert (answer.status, [*answer.body["details"]]) == (400, ["page_token"])


@pytest.mark.parametrize("name", ["p", "pq", "pqr"])
def test_page_token_with_another_character_is_refused(name: str) -> None:
    """Of any length modulo 3, as the last character has bits that mean nothing then."""
    pages, request = Pages(bytes(32)), ListPipelines(page_size=1)
    rows = [(name, UUID(int=1)), ("z", UUID(int=2))]
    token = pages.cut(request, rows, lambda row: row).next_page_token
    assert token
    assert pages.start(replace(request, page_token=token)) == [name, str(UUID(int=1))]

    for place, character in enumerate(token):
        for other in set(f"{string.ascii_letters}{string.digits}-_+/= ") - {character}:
            with pytest.raises(InvalidArgument):
                pages.start(replace(request, page_token=f"{token[:place]}{other}{token[place + 1 :]}"))


MADE_UP: Final[tuple[Any, ...]] = (
    *([], [[]], [None], [1], [-1], [2**63], [1.5], [True], ["x"], ["a\0"], ["infinity"], {"a": 1}, "x", 1, None),
    *(["x", "y"], ["infinity", "x"], ["294276-12-31T00:00:00Z", str(UUID(int=1))], ["2030-01-01T00:00:00Z", "x"]),
    *([None, None], [[1], [2]], ["x", 1], [True, False], ["a\0", str(UUID(int=1))], ["1", "2", "3"]),
)
"""Sort keys of no list, or of another."""


async def test_page_token_made_up_by_its_caller_is_never_a_fault(client: Client, world: World) -> None:
    """The digest that signs page tokens is of the caller's own token, and so no secret to them."""
    admin = await world.user(role="admin")
    await world.group(admin, name="all")
    pages, call = Pages(token_digest(admin.token)), As.member(client, admin)
    names = {"pipeline_id": str(await world.pipeline()), "name": "all", "username": admin.username}
    for route in ROUTES:
        if "page_token" not in route.places:
            continue
        in_path = {key: names[key] for key, place in route.places.items() if place == "path"}
        request = schema_of(route.request).read(in_path)
        for key in (*map(orjson.dumps, MADE_UP), b"", b"[", b"\xff"):
            signed = key + pages._sign(request, key)
            token = base64.urlsafe_b64encode(signed).decode()
            answer = await call.get(route.path.format(**names), page_size="2", page_token=token)
            assert answer.status in (200, 400), (route.path, key)


async def test_page_token_is_bound_to_filters_call_and_caller(client: Client, world: World) -> None:
    ada, bob = await world.user(), await world.user()
    for number in range(4):
        pipeline = await world.pipeline(f"p{number}")
        await world.grant(pipeline, ada)
        await world.grant(pipeline, bob)
    call = As.member(client, ada)
    token = (await call.get("/flow/pipeline", name="p", page_size="2")).body["next_page_token"]

    assert (await call.get("/flow/pipeline", name="p", page_size="1", page_token=token)).code == "OK"
    assert (await call.get("/flow/pipeline", page_size="2", page_token=token)).code == "INVALID_ARGUMENT"
    assert (await call.get("/users", name="p", page_token=token)).code == "INVALID_ARGUMENT"
    stolen = await As.member(client, bob).get("/flow/pipeline", name="p", page_token=token)
    assert stolen.code == "INVALID_ARGUMENT"


# ---- ETags


async def test_etag_of_every_read_is_answered_by_304(client: Client, world: World) -> None:
    admin = await world.user("root", role="admin")
    call = As.member(client, admin)
    single = ["/users/root", "/users/me", "/groups/g0"]
    for path in [*(await fill(world, admin)), *single]:
        first = await call.get(path)
        tag = first.headers["ETag"]
        again = await call("GET", path, None, {"If-None-Match": tag})
        weak = await call("GET", path, None, {"If-None-Match": f'"x", W/{tag}'})
        other = await call("GET", path, None, {"If-None-Match": '"x"'})

        assert (again.status, again.body, again.headers["ETag"]) == (304, {}, tag)
        assert (weak.status, other.status) == (304, 200)
        assert first.headers["Cache-Control"] == "private, no-cache"


async def test_etag_changes_with_the_list(client: Client, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    await world.grant(pipeline, ada)
    call = As.member(client, ada)
    tag = (await call.get("/flow/pipeline")).headers["ETag"]

    await world.raw.execute("UPDATE pipelines SET name = 'renamed' WHERE id = $1", pipeline)

    assert (await call("GET", "/flow/pipeline", None, {"If-None-Match": tag})).status == 200


async def test_cache_control_no_cache_is_read_anew(client: Client, world: World) -> None:
    ada = await world.user()

    answer = await As.member(client, ada)("GET", "/flow/pipeline", None, {"Cache-Control": "no-cache"})

    assert answer.status == 200


# ---- preconditions


async def test_if_match_allows_a_write_only_with_the_current_etag(client: Client, world: World) -> None:
    admin = As.member(client, await world.user("root", role="admin"))
    await world.user("bob")
    await world.group(name="g")
    pipeline = await world.pipeline()
    await admin("PUT", "/jobs/j", {"name": "n"})
    where = f"/flow/pipeline/{pipeline}"
    changes: list[tuple[str, str, str, Any, Any]] = [
        ("PATCH", where, where, {"name": "second"}, {"name": "third"}),
        ("PATCH", "/users/bob", "/users/bob", {"role": "admin"}, {"role": "member"}),
        ("PATCH", "/groups/g", "/groups/g", {"new_name": "G"}, {"new_name": "g"}),
        ("PUT", "/jobs/j", "/jobs/j", {"name": "second"}, {"name": "third"}),
        (
            "POST",
            "/jobs/pipelines",
            "/jobs/pipelines?job_id=j",
            {"job_id": "j", "pipeline_ids": [str(pipeline)]},
            {"job_id": "j", "pipeline_ids": []},
        ),
    ]
    for method, path, read, first, second in changes:
        tag = (await admin.get(read)).headers["ETag"]
        changed = await admin(method, path, first, {"If-Match": tag})
        stale = await admin(method, path, second, {"If-Match": tag})
        fresh = await admin(method, path, second, {"If-Match": (await admin.get(read)).headers["ETag"]})

        assert (changed.status, stale.status, stale.code, fresh.status) == (200, 412, "FAILED_PRECONDITION", 200), path


async def test_if_match_accepts_the_etag_of_reading_or_changing_a_grant(client: Client, world: World) -> None:
    admin, _, pipeline = (
        As.member(client, await world.user(role="admin")),
        await world.user("bob"),
        await world.pipeline(),
    )
    path, body = f"/flow/pipeline/{pipeline}/grants/users/bob", {"permissions": ["flow_pipeline:write"]}

    made = await admin("PUT", path, {"permissions": []}, {"If-None-Match": "*"})
    assert (made.status, (await admin("PUT", path, body, {"If-None-Match": "*"})).status) == (201, 412)
    changed = await admin("PUT", path, body, {"If-Match": made.headers["ETag"]})
    assert (changed.status, (await admin("DELETE", path, None, {"If-Match": made.headers["ETag"]})).status) == (
        200,
        412,
    )
    read = await admin.get(path)
    assert (read.body, read.headers["ETag"]) == (changed.body, changed.headers["ETag"])
    assert (await admin("DELETE", path, None, {"If-Match": read.headers["ETag"]})).status == 200
    assert (await admin("PUT", path, body, {"If-Match": "*"})).status == 412
    gone = await admin.get(path)
    assert (gone.code, gone.body["msg"]) == ("NOT_FOUND", "Nothing is granted to user bob on this pipeline.")


async def test_if_match_that_fails_changes_nothing(client: Client, world: World) -> None:
    admin, pipeline = As.member(client, await world.user(role="admin")), await world.pipeline("kept")

    assert (await admin("DELETE", f"/flow/pipeline/{pipeline}", None, {"If-Match": '"x"'})).status == 412
    assert (await admin.get(f"/flow/pipeline/{pipeline}")).body["pipeline"]["name"] == "kept"
    assert (await admin.get("/audit")).body["audit"] == []
