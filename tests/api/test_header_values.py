"""Headers as clients and the proxies between write them: lists, case, white space, and what may be there only once."""

import gzip
import json
from collections.abc import AsyncIterator, Sequence

import pytest

from service.app import DISPATCHER
from service.database.pool import Database
from service.settings import Settings
from tests.api.calls import As
from tests.conftest import Client
from tests.factories import Member, World
from tests.http.served import exchange, served

PIPELINES = "/api/v1/flow/pipeline"
CONNECT = "/flow_pipelines.v1.Users"


@pytest.fixture(scope="module")
async def service(settings: Settings, database: Database) -> AsyncIterator[str]:
    """Serve behind the service's own connections, which clients of the other tests do not have."""
    async with served(settings, database) as url:
        yield url


def tags(tag: str) -> Sequence[str]:
    """Return a tag as proxies that compress hand it on."""
    own = tag.strip('"')
    return (tag, f"W/{tag}", *(f'"{own}{coding}"' for coding in ("-gzip", "-br", "-zstd", "--gzip", ";gzip")))


async def test_if_match_accepts_a_tag_that_a_proxy_changed(client: Client, world: World) -> None:
    root = As.member(client, await world.user("root", role="admin"))
    pipeline = await world.pipeline()
    where = f"{PIPELINES}/{pipeline}"
    for number in range(7):
        tag = tags((await root.get(where)).headers["ETag"])[number]
        changed = await root("PATCH", where, {"name": f"n{number}"}, {"If-Match": tag})
        stale = await root("PATCH", where, {"name": "stale"}, {"If-Match": tag})
        assert (changed.status, stale.status) == (200, 412), tag
        present = tags(changed.headers["ETag"])[number]
        assert (await root("GET", where, None, {"If-None-Match": present})).status == 304, present
        assert (await root("GET", where, None, {"If-None-Match": tag})).status == 200, tag


async def test_conditions_over_several_lines_are_one_list(client: Client, world: World) -> None:
    root = await world.user("root", role="admin")
    where = f"{PIPELINES}/{await world.pipeline()}"
    tag = (await client.get(where, headers=root.headers)).headers["ETag"]

    async def status(method: str, *conditions: tuple[str, str]) -> int:
        headers = [*root.headers.items(), *conditions]
        return (await client.request(method, where, json={"description": "d"}, headers=headers)).status

    assert await status("GET", ("If-None-Match", '"x"'), ("If-None-Match", tag)) == 304
    assert await status("GET", ("if-none-match", f'\t"x",,\t{tag}\t')) == 304
    assert await status("PATCH", ("If-Match", '"x"'), ("If-Match", '"y"')) == 412
    assert await status("PATCH", ("If-None-Match", '"x"'), ("If-None-Match", tag)) == 412
    assert await status("PATCH", ("If-Match", '"x"'), ("If-Match", tag)) == 200


@pytest.mark.parametrize(
    "condition", ["abc", '"', "*, *", '"a", *', "W/", 'w"a"', "'a'", '"a" b', '"a" "b"', '"a""b"', '"a", "b" "c"']
)
async def test_write_with_a_condition_that_is_none_is_refused(client: Client, world: World, condition: str) -> None:
    root = As.member(client, await world.user("root", role="admin"))
    where = f"{PIPELINES}/{await world.pipeline('kept')}"
    for name in ("If-Match", "If-None-Match"):
        refused = await root("PATCH", where, {"name": "changed"}, {name: condition})
        assert (refused.status, refused.code) == (400, "INVALID_ARGUMENT")
        assert name in refused.body["msg"]
    assert (await root.get(where)).body["pipeline"]["name"] == "kept"
    assert (await root("GET", where, None, {"If-None-Match": condition})).status == 200


@pytest.mark.parametrize(
    ("values", "fresh"),
    [
        (["no-cache"], True),
        (["No-Cache"], True),
        (["max-age=0", "NO-CACHE"], True),
        (["\tno-cache\t, max-age=0"], True),
        (["x-no-cache"], False),
        (["max-age=0"], False),
    ],
)
async def test_cache_control_is_compared_as_directives(
    replica: Client, world: World, monkeypatch: pytest.MonkeyPatch, values: list[str], *, fresh: bool
) -> None:
    ada, asked = await world.user(), list[object]()
    responses = replica.app[DISPATCHER].responses
    monkeypatch.setattr(responses, "find", asked.append)
    headers = [*ada.headers.items(), *(("Cache-Control", value) for value in values)]

    assert (await replica.get(PIPELINES, headers=headers)).status == 200
    assert bool(asked) is not fresh


def authorized(
    member: Member, *lines: str, method: str = "GET", path: str = "/api/v1/users/me", body: bytes = b""
) -> bytes:
    head = (f"{method} {path} HTTP/1.1", "Host: x", *lines, "Connection: close")
    return "\r\n".join((*head, f"Content-Length: {len(body)}", "", "")).replace("TOKEN", member.token).encode() + body


@pytest.mark.parametrize(
    "line",
    [
        "Authorization: Bearer TOKEN",
        "authorization: BEARER TOKEN",
        "AUTHORIZATION:bearer TOKEN",
        "Authorization:\t Bearer\tTOKEN \t",
        "Authorization: Bearer \t TOKEN",
    ],
)
async def test_scheme_compares_without_case_and_white_space(service: str, world: World, line: str) -> None:
    ada = await world.user()
    assert (await exchange(service, authorized(ada, line)))[0] == 200


REPEATED = {
    "Authorization": ("Authorization: Bearer TOKEN", "authorization: Bearer TOKEN"),
    "Content-Type": ("Authorization: Bearer TOKEN", "Content-Type: application/json", "content-type: text/plain"),
    "Content-Length": ("Authorization: Bearer TOKEN", "Content-Length: 2"),
    "Host": ("Authorization: Bearer TOKEN", "Host: x"),
}


@pytest.mark.parametrize("name", REPEATED)
async def test_header_that_may_be_there_only_once_is_refused_twice(service: str, world: World, name: str) -> None:
    ada = await world.user()
    for method, path, body in (("GET", "/api/v1/users/me", b""), ("PUT", "/api/v1/jobs/j", b"{}")):
        status, _, answer = await exchange(
            service, authorized(ada, *REPEATED[name], method=method, path=path, body=body)
        )
        assert status == 400
        assert b"INVALID_ARGUMENT" in answer
        if name != "Content-Length":
            assert f"The header {name} is given more than once.".encode() in answer


@pytest.mark.parametrize(
    "kind", ["Application/JSON; Charset=UTF-8", "application/json;\tcharset=utf-8", "text/plain", ""]
)
async def test_content_type_is_no_matter(client: Client, world: World, kind: str) -> None:
    ada = await world.user()

    answer = await client.put("/api/v1/jobs/j", data=b"{}", headers={**ada.headers, "Content-Type": kind})

    assert answer.status == 201


@pytest.mark.parametrize(
    ("codings", "body", "status"),
    [
        (["gzip"], gzip.compress(b"{}", mtime=0), 201),
        (["GZip"], gzip.compress(b"{}", mtime=0), 201),
        (["identity"], b"{}", 201),
        (["x-gzip"], gzip.compress(b"{}", mtime=0), 415),
        (["br"], b"{}", 415),
        (["compress"], b"{}", 415),
        (["gzip, gzip"], gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0), 415),
        (["gzip", "identity"], gzip.compress(b"{}", mtime=0), 415),
    ],
)
async def test_content_coding_that_is_not_decoded_is_said(
    service: str, world: World, codings: list[str], body: bytes, status: int
) -> None:
    ada = await world.user()
    lines = ("Authorization: Bearer TOKEN", *(f"Content-Encoding: {each}" for each in codings))
    found, headers, _ = await exchange(service, authorized(ada, *lines, method="PUT", path="/api/v1/jobs/j", body=body))
    assert found == status
    assert headers.get("accept-encoding") == ("deflate, gzip" if status == 415 else None)


WRONG = (
    *("%", "%z", "%2", "%zz", "%u0041", "a%", "%%41", "%ff", "%c0%af", "%ed%a0%80", "%f4%90%80%80", "%E0%A4%A"),
    *("%e0%80%af", "%80"),
)


@pytest.mark.parametrize("wrong", WRONG)
async def test_wrong_percent_encoding_is_refused(service: str, world: World, wrong: str) -> None:
    """Others on the way may read it otherwise, and a filter or id must be what was meant."""
    ada = await world.user()
    for path in (
        f"{PIPELINES}?name={wrong}",
        f"/api/v1/jobs?owner={wrong}",
        f"/api/v1/jobs/{wrong}",
        f"/api/v1/users/{wrong}",
    ):
        status, _, answer = await exchange(service, authorized(ada, "Authorization: Bearer TOKEN", path=path))
        assert (status, b"The address" in answer) == (400, True), path


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/users/%6d%65", 200),
        ("http://elsewhere.example/api/v1/users/me", 200),
        ("/api/v1/users%2Fme", 404),
        ("//api/v1/users/me", 404),
        ("/api//v1/users/me", 404),
        ("/api/v1/users/me/", 404),
        ("/api/v1/%2e%2e/v1/users/me", 404),
        ("/api/v1/x/../users/me", 404),
        ("/API/v1/users/me", 404),
        (f"{PIPELINES}?", 200),
        (f"{PIPELINES}?&&", 200),
        (f"{PIPELINES}?=", 400),
        (f"{PIPELINES}?=x", 400),
        (f"{PIPELINES}??", 400),
        (f"{PIPELINES}?page_size", 400),
        (f"{PIPELINES}?page_size=1&page_size=1", 400),
        (f"{PIPELINES}?%70age_size=1", 200),
        ("*", 400),
        ("api/v1/users/me", 400),
        ("?", 400),
    ],
)
async def test_odd_target_is_answered(service: str, world: World, path: str, status: int) -> None:
    ada = await world.user()
    assert (await exchange(service, authorized(ada, "Authorization: Bearer TOKEN", path=path)))[0] == status


@pytest.mark.parametrize(
    ("settled", "target", "line", "status", "sentence"),
    [
        (
            {},
            "/" + "a" * 9000,
            "X: y",
            414,
            "The address is longer than 8,192 bytes, the most that this service takes.",
        ),
        ({}, "/api/v1/users/me?" + "a" * 9000, "X: y", 414, "longer than 8,192 bytes"),
        ({}, "/", "Cookie: " + "a" * 9000, 431, "A header line is longer than 8,192 bytes, the most that this service"),
        ({}, "/", "a" * 9000 + ": b", 431, "A header line is longer than 8,192 bytes"),
        (
            {},
            "/",
            "X: y\r\n" * 200 + "X: y",
            431,
            "There are more than 128 header lines, the most that this service takes.",
        ),
        ({}, "/healthz?" + "a" * 8000, "Cookie: " + "a" * 8000, 200, ""),
        ({"max_url_bytes": 1024}, "/" + "a" * 1024, "X: y", 414, "longer than 1,024 bytes"),
        ({"max_header_bytes": 1024}, "/", "X: " + "a" * 1100, 431, "longer than 1,024 bytes"),
        ({"max_url_bytes": 20_000}, "/healthz?" + "a" * 19_000, "X: y", 200, ""),
        ({"max_header_bytes": 20_000}, "/healthz", "Cookie: " + "a" * 19_000, 200, ""),
    ],
)
async def test_head_over_a_limit_is_told_the_limit(
    settings: Settings,
    database: Database,
    settled: dict[str, int],
    target: str,
    line: str,
    status: int,
    sentence: str,
) -> None:
    async with served(settings, database, **settled) as service:
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\n{line}\r\nConnection: close\r\n\r\n"
        found, headers, body = await exchange(service, head.encode())
    assert found == status
    assert sentence in body.decode()
    assert "x-request-id" in headers


@pytest.mark.parametrize(("expected", "status"), [("100-Continue", 100), ("\t100-continue", 100), ("200-ok", 417)])
async def test_expect_other_than_continue_is_refused(service: str, world: World, expected: str, status: int) -> None:
    ada = await world.user()
    lines = ("Authorization: Bearer TOKEN", f"Expect: {expected}")
    data = authorized(ada, *lines, method="PUT", path="/api/v1/jobs/j", body=b"{}")
    assert (await exchange(service, data))[0] == status


@pytest.mark.parametrize("line", ["Expect: 200-ok", "Transfer-Encoding: identity"])
async def test_request_refused_before_its_call_is_answered_in_the_shape_of_its_path(
    settings: Settings, database: Database, line: str
) -> None:
    async with served(settings, database, scim=True) as service:
        for path, key in (("/api/v1/users", "msg"), ("/scim/v2/Users", "detail"), (f"{CONNECT}/ListUsers", "message")):
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{line}\r\n\r\n"
            assert key in json.loads((await exchange(service, head.encode()))[2]), path


@pytest.mark.parametrize(
    "head",
    ["?name=" + "x" * 9_000, " HTTP/1.1\r\nX: " + "x" * 9_000, " HTTP/1.1\r\nExpect: x"],
    ids=["address", "header", "expectation"],
)
async def test_documented_call_refused_before_it_begins_answers_200_where_failures_do(
    settings: Settings, database: Database, head: str
) -> None:
    version = "" if "HTTP/" in head else " HTTP/1.1"
    async with served(settings, database, v1_errors_as_200=True) as service:
        for path, is_documented in ((PIPELINES, True), ("/api/v1/users", False)):
            data = f"GET {path}{head}{version}\r\nHost: x\r\n\r\n".encode()
            status, _, body = await exchange(service, data)
            assert ((status == 200), json.loads(body)["status"]) == (is_documented, "ERROR"), path


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_body_that_is_not_coded_as_said_is_told_so(service: str, world: World, coding: str) -> None:
    lines = ("Authorization: Bearer TOKEN", f"Content-Encoding: {coding}")
    data = authorized(await world.user(), *lines, method="PUT", path="/api/v1/jobs/j", body=b'{"name": "j"}')
    status, _, answer = await exchange(service, data)
    assert (status, json.loads(answer)["msg"]) == (
        400,
        "The body is not coded as Content-Encoding or Transfer-Encoding says.",
    )


@pytest.mark.parametrize(
    ("version", "codings", "status"),
    [
        ("1.1", "chunked", 201),
        ("1.1", "Chunked", 201),
        ("1.1", "gzip, chunked", 400),
        ("1.1", "chunked, chunked", 400),
        ("1.1", "identity", 400),
        ("1.0", "chunked", 400),
    ],
)
async def test_transfer_coding_other_than_chunked_is_refused(
    service: str, world: World, version: str, codings: str, status: int
) -> None:
    """HTTP/1.0 knows none, so that where the request ends is another place for the one who handed it on."""
    ada = await world.user()
    head = (
        f"PUT /api/v1/jobs/j HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {ada.token}\r\n"
        f"Transfer-Encoding: {codings}\r\nConnection: keep-alive\r\n\r\n"
    )
    found, headers, _ = await exchange(service, f"{head}2\r\n{{}}\r\n0\r\n\r\n".encode())
    assert headers["content-type"] == "application/json"
    assert found == status
    assert (await world.raw.fetchval("SELECT count(*) FROM jobs WHERE owner_id = $1", ada.id)) == (status == 201)


async def test_body_over_the_limit_is_told_the_limit(settings: Settings, database: Database, world: World) -> None:
    ada = await world.user()
    line = "Authorization: Bearer TOKEN"
    async with served(settings, database, max_body_bytes=1024) as service:
        for coding, body in (("identity", b" " * 1025), ("gzip", gzip.compress(b" " * 1025, mtime=0))):
            data = authorized(ada, line, f"Content-Encoding: {coding}", method="PUT", path="/api/v1/jobs/j", body=body)
            status, _, answer = await exchange(service, data)
            assert status == 413
            assert b"The body is longer than 1,024 bytes, the most that this service takes." in answer
