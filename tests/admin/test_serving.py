import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from service.admin.serving import POLICY, SHELL, STATIC, read_site
from service.app import create_app
from service.database.pool import Database
from service.health import Health
from service.settings import Settings
from service.transfer.audit_lists import IMPORTED_LISTS
from service.values.identity_providers import Provider
from tests.conftest import Client
from tests.process.running import ROOT


def assets(shell: str) -> list[str]:
    return re.findall(r'(?:href|src)="([^"]+)"', shell)


async def test_shell_answers_every_address_below_admin(client: Client) -> None:
    answers = [await client.get(path) for path in ("/admin/", "/admin/pipelines", "/admin/jobs/a%2Fb?owner=c")]

    assert {(answer.status, answer.content_type, await answer.text()) for answer in answers} == {
        (200, "text/html", read_site(STATIC).shell.decode())
    }


async def test_bare_admin_address_redirects_to_the_shell(client: Client) -> None:
    answer = await client.get("/admin", allow_redirects=False)

    assert (answer.status, answer.headers["Location"]) == (308, "/admin/")


async def test_shell_has_security_headers_and_is_revalidated(client: Client) -> None:
    answer = await client.get("/admin/")
    again = await client.get("/admin/", headers={"If-None-Match": answer.headers["ETag"]})

    assert (again.status, await again.read()) == (304, b"")
    for headers in (answer.headers, again.headers):
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-cache"
    assert "unsafe" not in POLICY
    assert "http" not in POLICY


async def test_shell_of_providers_lets_the_page_ask_their_origins_alone(settings: Settings, database: Database) -> None:
    issuer = "https://id.example.com:8443/realms/acme"
    offered = Provider(issuer, "flow-pipelines", client_id="page", name='"><script>')
    other = Provider("https://other.example.com", "flow-pipelines")
    with_providers = replace(settings, providers=(offered, other))
    app = create_app(with_providers, database, Health(database, 1))
    async with TestClient[web.Request, web.Application](TestServer(app)) as client:
        answer = await client.get("/admin/")
        text = await answer.text()

    policy = answer.headers["Content-Security-Policy"]
    assert policy == POLICY.replace("connect-src 'self'", "connect-src 'self' https://id.example.com:8443")
    said = re.search('<meta name="identity-providers" content="([^"]*)">', text)
    assert said
    assert json.loads(unescape(said[1])) == [
        {"issuer": issuer, "name": '"><script>', "client_id": "page", "scope": "openid profile"}
    ]


def test_every_action_of_the_audit_trail_has_a_label() -> None:
    sources = [path.read_text() for path in (ROOT / "service").rglob("*.py")]
    written = {found for text in sources for found in re.findall(r'audit[^"]{0,200}"([a-z]+\.[a-z_]+|import)",', text)}
    written |= {f"import.{table}" for table in IMPORTED_LISTS}
    labels = (STATIC / "labels.js").read_text()

    assert {"user.create", "token.bound", "pipeline.delete", "import", "import.users"} <= written
    assert {action for action in written if f'["{action}", ' not in labels} == set()


async def test_assets_named_by_the_shell_are_immutable(client: Client) -> None:
    named = assets(read_site(STATIC).shell.decode())

    assert len(named) > 30
    for path in set(named):
        answer = await client.get(path)
        assert answer.status == 200, path
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.content_type in ("text/css", "text/javascript", "image/svg+xml")


async def test_assets_are_compressed_for_clients_that_accept_gzip(client: Client) -> None:
    path = f"/admin/assets/{read_site(STATIC).version}/app.js"
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    zipped = await client.get(path, headers={"Accept-Encoding": "gzip"})

    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert await plain.read() == await zipped.read() == (STATIC / "app.js").read_bytes()
    assert plain.headers["Vary"] == zipped.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accepted", "zipped"),
    [("GZIP", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("*", True), ("gzipx", False)],
)
async def test_assets_are_compressed_by_the_weights_that_clients_give(
    client: Client, accepted: str, *, zipped: bool
) -> None:
    path = f"/admin/assets/{read_site(STATIC).version}/app.js"
    answer = await client.get(path, headers={"Accept-Encoding": accepted})

    assert ("Content-Encoding" in answer.headers) is zipped


@pytest.mark.parametrize("name", ["index.html", "none.js", "../serving.py", "%2e%2e/serving.py", "pages/"])
async def test_asset_address_of_no_asset_is_not_found(client: Client, name: str) -> None:
    assert (await client.get(f"/admin/assets/{read_site(STATIC).version}/{name}")).status == 404


async def test_asset_address_of_another_version_is_not_found(client: Client) -> None:
    assert (await client.get("/admin/assets/0123456789abcdef/app.js")).status == 404


def test_asset_version_changes_with_any_file(tmp_path: Path) -> None:
    def site(name: str, **files: str) -> str:
        directory = tmp_path / name
        directory.mkdir()
        (directory / SHELL).write_text('<!-- modules --> <link href="{assets}/a.css">')
        for file, content in files.items():
            (directory / file.replace("_", ".")).write_text(content)
        return read_site(directory).version

    versions = [site("1", a_css="x"), site("2", a_css="y"), site("3", b_css="x"), site("4", a_css="x", b_css="")]

    assert len(set(versions)) == 4
    assert site("5", a_css="x") == versions[0]


def test_static_files_never_parse_text_as_html_or_name_another_origin() -> None:
    for path in STATIC.rglob("*.*"):
        text = path.read_text()
        for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage"):
            code = re.sub(r"//.*", "", text)
            assert forbidden not in code, (path, forbidden)
        elsewhere = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}
        assert not elsewhere, path
