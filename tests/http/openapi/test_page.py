"""/docs: the page for people, and its search, without a script."""

import json
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from aiohttp import ClientSession

from service.database.pool import Database
from service.http.openapi.page import FEW, MAX_QUERY, Page
from service.http.openapi.rendering import _kind, _limits
from service.http.openapi.samples import LANGUAGES, request_of
from service.http.routes import ROUTES
from service.settings import Settings
from tests.conftest import Client
from tests.contract import DOCUMENT
from tests.http.served import served

PAGE = Page(DOCUMENT)
WHOLE = PAGE.whole("/", "curl")
VOID = {"meta", "input", "wbr"}


class Reader(HTMLParser):
    """What a page has: its identifiers and links, and text without mark-up; each element must be closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"] or ""] if "id" in values else []
        self.links += [values["href"] or ""] if "href" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


def shown(html: str) -> list[str]:
    """Return the names of the calls on a page, in its order."""
    return re.findall(r'<div class="inside" id="(\w+)">', html)


def inside(name: str) -> str:
    """Return the text of one call."""
    return "".join(read(WHOLE.split(f'id="{name}">')[1].split("</details>")[0].rpartition("</div>")[0]).said)


def test_page_is_well_formed_and_its_links_lead_somewhere() -> None:
    for html in (WHOLE, PAGE.found("/", "python", "token"), PAGE.found("/", "python", "job <pipelines>")):
        reader = read(html)
        assert len({*reader.ids}) == len(reader.ids)
        for link in reader.links:
            page, _, anchor = link.partition("#")
            assert page in ("", "docs", "docs?in=python", "openapi.json")
            assert not anchor or anchor in reader.ids or page


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation.__name__)
def test_page_has_samples_and_described_fields_of_every_call(route: Any) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    said = inside(route.operation.__name__)

    for language in LANGUAGES.values():
        assert language.write(request_of(route.method, route.path, operation)) in said
    for parameter in operation["parameters"]:
        assert parameter["description"].replace("`", "") in said
    success = route.answer.__name__.removesuffix("Schema")
    for name, each in DOCUMENT["components"]["schemas"][success]["properties"].items():
        assert name in said
        assert each.get("description", "").replace("`", "") in said


def test_page_describes_fields_in_lists_and_objects() -> None:
    said = inside("list_pipelines")

    assert "pipelines[].permissions" in said
    assert "What the caller may do on it with this token." in said
    assert "user.role" in inside("get_me")
    assert "access.explanations[].reasons[].through" in inside("explain_access")


@pytest.mark.parametrize(
    ("schema", "kind", "limits"),
    [
        ({"type": "integer", "minimum": 0}, "integer", ["at least 0"]),
        ({"type": "integer", "minimum": 1, "maximum": 1000}, "integer", ["1 to 1,000"]),
        (
            {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": 50},
            "list of text or null",
            ["at most 50 items"],
        ),
        ({"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}, "UUID or null", []),
        ({"oneOf": [{"$ref": "#/components/schemas/Job"}, {"$ref": "#/components/schemas/Grant"}]}, "object", []),
        ({"$ref": "#/components/schemas/Role"}, '<a href="#Role">Role</a>', []),
        (
            {"type": "string", "enum": ["a", None], "pattern": "^<$"},
            "text",
            ["one of <code>a</code>", "like <code>^&lt;$</code>"],
        ),
        ({}, "text", []),
    ],
)
def test_page_names_types_and_limits(schema: dict[str, Any], kind: str, limits: list[str]) -> None:
    assert (_kind(schema), [*_limits(schema)]) == (kind, limits)


def test_page_explains_the_words_that_fields_have() -> None:
    for name in ("Permission", "Scope", "Role", "Code"):
        assert f'<h3 id="{name}">' in WHOLE
        assert f'href="#{name}"' in WHOLE


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("rotate", "rotate_token"),
        ("ROTATE  Token", "rotate_token"),
        ("put /members/", "add_member"),
        ("update_job_pipelines", "update_job_pipelines"),
        ("update job", "update_job_pipelines"),
        ("whole set all or nothing", "update_job_pipelines"),
    ],
)
def test_search_finds_calls_by_name_method_path_and_summary(query: str, name: str) -> None:
    by_address, _, _ = PAGE.found("/", "curl", query).partition("In descriptions and fields")

    assert name in shown(by_address)
    assert len(shown(by_address)) <= FEW


def test_search_finds_calls_by_their_fields_behind_those_by_name() -> None:
    found = PAGE.found("/", "curl", "overlap_seconds")

    assert shown(found) == ["rotate_token"]
    assert found.index("In descriptions and fields") < found.index('id="rotate_token"')


def test_search_opens_what_is_found_if_that_is_little() -> None:
    few, many = PAGE.found("/", "curl", "rotate"), PAGE.found("/", "curl", "pipeline")

    assert len(shown(few)) <= FEW < len(shown(many))
    assert few.count('<details class="call" open>') == len(shown(few))
    assert '<details class="call" open>' not in many
    assert '<details class="call" open>' not in WHOLE


def test_search_that_finds_nothing_says_so_and_leads_back() -> None:
    found = PAGE.found("/", "python", "<script>alert(1)</script>")

    assert shown(found) == []
    assert "No call has" in found
    assert "<script" not in found
    assert 'value="&lt;script&gt;alert(1)&lt;/script&gt;"' in found
    assert '<a href="docs?in=python">Show all calls</a>' in found


async def test_search_is_answered_by_the_service(client: Client) -> None:
    answer = await client.get("/docs", params={"q": " rotate ", "in": "python"})
    text = await answer.text()

    assert answer.status == 200
    assert shown(text) == ["rotate_token"]
    assert 'id="in-python" value="python" checked' in text
    assert answer.headers["Content-Security-Policy"] == (await client.get("/docs")).headers["Content-Security-Policy"]
    assert shown(await (await client.get("/docs", params={"q": "  "})).text()) == shown(WHOLE)


@pytest.mark.parametrize(
    "query", ["q=%FF%FE&in=%00", "q=%00", "q=a&q=b", "in=cobol", "q=%ED%A0%80", "q=" + "a%20" * 1_000, "x=1", "q[]=1"]
)
async def test_search_takes_odd_queries(client: Client, query: str) -> None:
    async with ClientSession() as session, session.get(f"{client.make_url('/docs')}?{query}") as answer:
        assert answer.status == 200
        assert (await answer.text()).startswith("<!doctype html>")


async def test_search_looks_at_a_bounded_text(client: Client) -> None:
    found = await (await client.get("/docs", params={"q": "x" * 5_000})).text()

    assert "x" * MAX_QUERY in found
    assert "x" * (MAX_QUERY + 1) not in found


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/docs?in=python"])
async def test_documents_are_not_sent_again_to_clients_that_have_them(client: Client, path: str) -> None:
    first = await client.get(path)
    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    other = await client.get(path, headers={"If-None-Match": '"another"'})

    assert (first.status, again.status, other.status) == (200, 304, 200)
    assert await again.read() == b""
    assert again.headers["ETag"] == first.headers["ETag"] == other.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]


async def test_documents_name_the_public_address(settings: Settings, database: Database) -> None:
    url = "https://example.com/flows"
    async with served(settings, database, public_url=url) as service, ClientSession(service) as session:
        document = json.loads(await (await session.get("/openapi.json")).read())
        page = unescape(await (await session.get("/docs")).text())

    assert document["servers"] == [{"url": url}]
    assert f"export SERVER={url}\n" in page
    assert "export SERVER=…\n" in WHOLE


def test_page_stays_small() -> None:
    """It is rendered whole, so that it can be read without a script: six kilobytes for a call are enough."""
    assert len(WHOLE.encode()) < 6_500 * len(ROUTES)
