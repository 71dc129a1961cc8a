"""The public address: what a setting or trusted proxies say it is, and what nobody else can make of it."""

from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import ClientSession, HttpVersion11
from aiohttp.http import RawRequestMessage
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from service.database.pool import Database
from service.http.public_address import PublicAddress, PublicAddresses, forwarded_clients, peer_of
from service.settings import Settings
from tests.conftest import Client
from tests.factories import World
from tests.http.served import proxied, served

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("127.0.0.0/8"))


class Transport:
    """A connection of a peer."""

    def __init__(self, peer: Any) -> None:
        self.peer = peer

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.peer if name == "peername" else default


def address(*headers: tuple[str, str], peer: Any = ("10.0.0.1", 1), url: str | None = None) -> PublicAddress:
    request = make_mocked_request("GET", "/", CIMultiDict(headers), transport=Transport(peer))
    return PublicAddresses(url, TRUSTED).of(request)


@pytest.mark.parametrize(
    ("headers", "url"),
    [
        ([], "/"),
        ([("X-Forwarded-Prefix", "/flows")], "/flows"),
        ([("X-Forwarded-Prefix", " /flows/ ")], "/flows"),
        ([("x-forwarded-prefix", "/a/b.c~d_e-f")], "/a/b.c~d_e-f"),
        ([("X-Forwarded-Prefix", "/")], "/"),
        ([("X-Forwarded-Prefix", "/a"), ("X-Forwarded-Prefix", "/b")], "/b"),
        ([("X-Forwarded-Prefix", "/a, /b"), ("X-Forwarded-For", "192.0.2.1, 10.0.0.2")], "/a/b"),
        ([("X-Forwarded-Prefix", "/a"), ("X-Forwarded-Prefix", "/b"), ("X-Forwarded-For", "10.0.0.2")], "/a/b"),
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a.example")], "https://a.example"),
        ([("X-Forwarded-Proto", "HTTPS"), ("X-Forwarded-Host", "[2001:db8::1]:8443")], "https://[2001:db8::1]:8443"),
        ([("X-Forwarded-Proto", "https")], "/"),
        ([("X-Forwarded-Host", "a.example")], "/"),
        ([("Forwarded", 'for=192.0.2.1;proto=https;host="a.example:8443"')], "https://a.example:8443"),
        ([("Forwarded", "For=192.0.2.1; Proto=https; Host=a.example")], "https://a.example"),
        (
            [("Forwarded", "host=evil.example;proto=http, for=192.0.2.1;proto=https;host=a.example")],
            "https://a.example",
        ),
        ([("Forwarded", 'for="evil, for=192.0.2.1;proto=https;host=a.example')], "https://a.example"),
        ([("Forwarded", "host=evil.example"), ("Forwarded", "proto=https;host=a.example")], "https://a.example"),
        (
            [
                ("Forwarded", "proto=https;host=evil.example"),
                ("X-Forwarded-For", "192.0.2.1"),
                ("X-Forwarded-Prefix", "/flows"),
            ],
            "/flows",
        ),
        (
            [
                ("X-Forwarded-Proto", "https"),
                ("X-Forwarded-Host", "a.example"),
                ("X-Forwarded-Port", "8443"),
                ("X-Forwarded-Prefix", "/flows"),
            ],
            "https://a.example:8443/flows",
        ),
        (
            [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "a.example"), ("X-Forwarded-Port", "443")],
            "https://a.example",
        ),
    ],
)
def test_public_address_told_by_a_trusted_proxy(headers: list[tuple[str, str]], url: str) -> None:
    assert address(*headers).url == url
    assert address(*headers, peer="").url == url  # a Unix socket's peer is this machine, which is trusted here
    assert address(*headers, peer=("192.0.2.9", 1)).url == "/"
    assert address(*headers, peer=None).url == "/"


HOSTILE = (
    *(
        "//evil.example",
        "/\\evil",
        "/a//b",
        "/a/../b",
        "/..",
        "/.",
        "/a/./b",
        "/%2e%2e",
        "/a b",
        "/a\tb",
        '/a"b',
        "/a'b",
    ),
    *(
        "/<script>",
        "/a\rb",
        "/a\nSet-Cookie: x=y",
        "/a;b",
        "/a?b",
        "/a#b",
        "flows",
        "http://evil.example",
        "/ä",
        "/a\0",
    ),
    *("/" + "a" * 300, "/a" * 20, "/:x", "/a,/../b"),
)


@pytest.mark.parametrize("prefix", HOSTILE)
def test_public_address_ignores_a_hostile_prefix(prefix: str) -> None:
    assert address(("X-Forwarded-Prefix", prefix)).url == "/"


@pytest.mark.parametrize("prefix", HOSTILE)
def test_hostile_prefix_is_taken_from_no_target(prefix: str) -> None:
    came = message(prefix + "/api/v1/jobs", ("X-Forwarded-Prefix", prefix))

    assert PublicAddresses(None, TRUSTED).without_prefix(came, "10.0.0.1") is came


@pytest.mark.parametrize(
    "host", ["evil/x", "a@b", "a b", 'a"b', "a:99999", "a:", "-", "[::1", "", "a\r\nX: y", "<x>", "a.example,"]
)
def test_public_address_ignores_a_hostile_host(host: str) -> None:
    assert address(("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", host)).url == "/"
    assert address(("X-Forwarded-Proto", "javascript"), ("X-Forwarded-Host", "a.example")).url == "/"


def test_public_address_of_a_setting_outranks_headers() -> None:
    told = [("X-Forwarded-Prefix", "/other"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "other.example")]

    assert address(*told, url="https://a.example/flows") == PublicAddress("https://a.example", "/flows")
    assert address(*told, url="https://a.example").url == "https://a.example"


def message(target: str, *headers: tuple[str, str]) -> RawRequestMessage:
    values = CIMultiDictProxy(CIMultiDict(headers))
    return RawRequestMessage(
        "GET", target, HttpVersion11, values, (), False, None, False, False, URL(target, encoded=True)
    )


@pytest.mark.parametrize(
    ("prefix", "target", "own"),
    [
        ("/flows", "/flows/api/v1/jobs?a=%2F", "/api/v1/jobs?a=%2F"),
        ("/flows", "http://a.example/flows/api/v1/jobs", "/api/v1/jobs"),
        ("/flows", "/flows/admin", "/admin"),
        ("/flows", "/flows/docs?x", "/docs?x"),
        ("/flows", "/api/v1/jobs", "/api/v1/jobs"),
        ("/flows", "/flows/flow_pipelines.v1.Jobs/ListJobs", "/flow_pipelines.v1.Jobs/ListJobs"),
        ("/flows", "/flows/flow_pipelines.v2.Jobs/ListJobs", "/flows/flow_pipelines.v2.Jobs/ListJobs"),
        ("/flows", "/flowsapi/v1/jobs", "/flowsapi/v1/jobs"),
        ("/flows", "/flows/metrics", "/flows/metrics"),
        ("/flows", "/flows//api/v1/jobs", "/flows//api/v1/jobs"),
        ("/api", "/api/v1/jobs", "/api/v1/jobs"),
        ("/api", "/api/api/v1/jobs", "/api/v1/jobs"),
        ("/api/v1", "/api/v1/jobs", "/api/v1/jobs"),
        ("/admin", "/admin/jobs/api", "/admin/jobs/api"),
        ("/admin", "/admin/admin/jobs", "/admin/jobs"),
        ("", "/api/v1/jobs", "/api/v1/jobs"),
    ],
)
def test_prefix_is_taken_from_before_own_paths_only(prefix: str, target: str, own: str) -> None:
    by_setting = PublicAddresses(f"https://a.example{prefix}", ())
    by_header = PublicAddresses(None, TRUSTED)
    told = message(target, ("X-Forwarded-Prefix", prefix))

    assert by_setting.without_prefix(message(target), "192.0.2.1").path == own
    assert by_header.without_prefix(told, "10.0.0.1").path == own
    assert by_header.without_prefix(told, "192.0.2.1").path == target


def test_clients_told_by_forwarded_count_where_nothing_else_tells_them() -> None:
    forwarded = ("Forwarded", 'for="[2001:db8::1]:4711";proto=https, for=198.51.100.7')

    assert forwarded_clients(CIMultiDictProxy(CIMultiDict([forwarded]))) == ["[2001:db8::1]:4711", "198.51.100.7"]
    both = CIMultiDictProxy(CIMultiDict([forwarded, ("X-Forwarded-For", "203.0.113.9")]))
    assert forwarded_clients(both) == ["203.0.113.9"]


@pytest.mark.parametrize(
    ("name", "peer"),
    [(("192.0.2.1", 1), "192.0.2.1"), (("::1", 1, 0, 0), "::1"), ("", "127.0.0.1"), (b"", "127.0.0.1"), (None, "")],
)
def test_peer_of_a_unix_socket_is_this_machine(name: object, peer: str) -> None:
    assert peer_of(name) == peer


WAYS: dict[str, tuple[bool, dict[str, Any], dict[str, str]]] = {
    "setting, stripped": (True, {"public_url": "https://example.com/flows"}, {}),
    "setting, kept": (False, {"public_url": "https://example.com/flows"}, {}),
    "header, stripped": (True, {"trusted_proxies": TRUSTED}, {"X-Forwarded-Prefix": "/flows"}),
    "header, kept": (False, {"trusted_proxies": TRUSTED}, {"X-Forwarded-Prefix": "/flows"}),
}


@pytest.mark.parametrize("way", WAYS)
async def test_everything_leads_below_the_prefix(
    settings: Settings, database: Database, world: World, way: str
) -> None:
    strip, changed, headers = WAYS[way]
    root = await world.user("root", role="admin")
    async with (
        served(settings, database, **changed) as service,
        proxied(service, "/flows", strip=strip, headers=headers) as proxy,
        ClientSession(proxy, headers=root.headers) as session,
    ):
        paths = []
        for method, path, body in (
            ("POST", "/flow/pipeline", {"name": "p"}),
            ("POST", "/users", {"username": "bob"}),
            ("POST", "/groups", {"name": "g"}),
            ("POST", "/tokens", {"name": "t"}),
            ("PUT", "/jobs/a:b", {}),
        ):
            async with session.request(method, f"/flows/api/v1{path}", json=body) as made:
                assert made.status == 201, await made.text()
                paths.append(made.headers["Location"])
        for path in paths:
            assert path.startswith("/flows/api/v1/")
            assert (await session.get(path)).status == 200
        redirected = await session.get("/flows/admin", allow_redirects=False)
        assert (redirected.status, redirected.headers["Location"]) == (308, "/flows/admin/")
        document = await (await session.get("/flows/openapi.json")).json()
        assert document["servers"][0]["url"] in ("/flows", "https://example.com/flows")
        docs = await session.get("/flows/docs")
        assert "/flows" in await docs.text()
        assert (await session.get(str(docs.url.join(URL("openapi.json"))))).status == 200


async def test_untrusted_headers_change_no_byte(client: Client, world: World) -> None:
    root = await world.user("root", role="admin")
    lies = {
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "Forwarded": "for=10.0.0.1;host=evil.example;proto=https",
    }
    for path in ("/admin/", "/docs", "/openapi.json", "/admin"):
        plain = await client.get(path, allow_redirects=False)
        lied = await client.get(path, headers=lies, allow_redirects=False)
        assert (await plain.read(), plain.headers.get("Location"), plain.headers.get("ETag")) == (
            await lied.read(),
            lied.headers.get("Location"),
            lied.headers.get("ETag"),
        )
        assert "Vary" not in plain.headers
    made = await client.put("/api/v1/jobs/j", json={}, headers={**root.headers, **lies})
    assert made.headers["Location"] == "/api/v1/jobs/j"


async def test_answers_that_hold_a_told_address_vary_with_its_headers(settings: Settings, database: Database) -> None:
    async with served(settings, database, trusted_proxies=TRUSTED) as service, ClientSession(service) as session:
        for path in ("/admin/", "/docs", "/openapi.json", "/admin"):
            answer = await session.get(path, allow_redirects=False)
            assert "X-Forwarded-Prefix" in answer.headers["Vary"]
