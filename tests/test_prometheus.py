"""The content of `/metrics` after known calls, which no client can make grow."""

import asyncio
import re
from collections.abc import AsyncIterator, Hashable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

import service
from service.app import DISPATCHER, METRICS, create_app
from service.audit.timelines import Timelines
from service.authentication.bearer import Authentication
from service.database.pool import Database, open_database
from service.errors import Unavailable
from service.health import Health
from service.http.probes import probes_app
from service.http.routes import ROUTES
from service.process import counting_parts
from service.prometheus import MetricsTexts, metrics_handler
from service.repositories.grants import Kind
from service.settings import Settings
from service.telemetry.metrics import OTHER, Histogram, Histograms, gauge
from service.version import __version__
from tests.conftest import Client
from tests.database.test_pool import CONFLICT, LOST, Flaky
from tests.factories import World, bearer

LIST = "/api/v1/flow/pipeline"
DURATION = "http_server_request_duration_seconds"

Samples = dict[tuple[str, frozenset[str]], float]


@dataclass
class Running:
    """A service of the test's own, whose counters no other test changes."""

    client: Client
    operations: Client
    health: Health
    database: Database

    @property
    def app(self) -> web.Application:
        assert self.client.app is not None
        return self.client.app

    async def text(self) -> str:
        answer = await self.operations.get("/metrics")
        assert answer.status == 200
        return await answer.text()

    async def samples(self) -> Samples:
        """Return the samples by name and the values of the labels, which all differ."""
        families = parse_plain(await self.text())
        return {
            (sample.name, frozenset(sample.labels.values())): sample.value
            for family in families
            for sample in family.samples
        }

    async def value(self, name: str, *labels: str) -> float | None:
        return (await self.samples()).get((name, frozenset(labels)))


@pytest.fixture
async def running(settings: Settings, service_dsn: str) -> AsyncIterator[Running]:
    settings = replace(settings, database_pool_size=2)
    async with open_database(service_dsn, settings) as database:
        health = Health(database, settings.ready_timeout)
        app = create_app(settings, database, health)
        operations = probes_app(health, metrics_handler(health, counting_parts(app, database)))
        async with TestClient(TestServer(app)) as client, TestClient(TestServer(operations)) as other:
            yield Running(client, other, health, database)


def test_histogram_counts_a_value_in_the_first_bucket_that_holds_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 7.0):
        histogram.observe(value)

    assert (histogram.counts, histogram.total) == ([2, 2, 1], 12.0)


def test_histograms_are_created_on_first_use() -> None:
    histograms = Histograms((1.0,))
    histograms["a"].observe(0.5)

    assert histograms["a"].counts == [1, 0]
    assert list(histograms) == ["a"]


async def test_metrics_can_be_parsed_in_both_formats(running: Running) -> None:
    await running.client.get(LIST)
    plain = await running.operations.get("/metrics")
    accepted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    open_ = await running.operations.get("/metrics", headers=accepted)

    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert open_.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    openmetrics = parse_openmetrics(await open_.text())  # type: ignore[no-untyped-call] # this parser has no types
    names = {sample.name for family in openmetrics for sample in family.samples}
    assert names == {sample.name for family in parse_plain(await plain.text()) for sample in family.samples}


async def test_request_durations_are_counted_by_method_route_and_status(running: Running, world: World) -> None:
    ada = await world.user()
    for _ in range(3):
        await running.client.get(LIST, headers=ada.headers)
    await running.client.get(f"/api/v1/jobs/{'x' * 20}", headers=ada.headers)
    await running.client.head(LIST, headers=ada.headers)

    samples = await running.samples()

    counts = {labels: value for (name, labels), value in samples.items() if name == DURATION + "_count"}
    assert counts == {
        frozenset({"GET", LIST, "200"}): 3,
        frozenset({"HEAD", LIST, "200"}): 1,
        frozenset({"GET", "/api/v1/jobs/{job_id}", "404"}): 1,
    }
    assert samples[DURATION + "_bucket", frozenset({"GET", LIST, "200", "+Inf"})] == 3
    assert samples[DURATION + "_sum", frozenset({"GET", LIST, "200"})] > 0
    assert samples["http_server_active_requests", frozenset()] == 0


async def test_active_requests_count_a_request_under_way(
    running: Running, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, go = await world.user(), asyncio.Event()
    authenticate = Authentication.authenticate

    async def held(self: Authentication, authorization: str | None, organization: Hashable = None) -> object:
        await go.wait()
        return await authenticate(self, authorization, organization)

    monkeypatch.setattr(Authentication, "authenticate", held)
    call = asyncio.create_task(running.client.get(LIST, headers=ada.headers))
    while running.app[METRICS].active == 0:  # noqa: ASYNC110 - nothing tells when it has begun
        await asyncio.sleep(0)
    before = await running.value("http_server_active_requests")
    go.set()
    await call

    assert (before, await running.value("http_server_active_requests")) == (1, 0)


async def test_refusals_are_counted_by_reason(running: Running, world: World) -> None:
    ada, pipeline = await world.user(), await world.pipeline()
    narrow = bearer(await world.token(ada.id, scopes=1))
    await running.client.get(LIST)
    await running.client.get(LIST, headers=bearer("fp_unknown"))
    await running.client.get(LIST + "?page_size=0", headers=ada.headers)
    await running.client.get(f"{LIST}/{pipeline}", headers=ada.headers)
    await running.client.post(LIST, headers=ada.headers, json={"name": "x"})
    await running.client.get("/api/v1/tokens", headers=narrow)
    await running.client.delete("/api/v1/flow/pipeline", headers=ada.headers)
    await running.client.get(LIST, headers=ada.headers)

    samples = await running.samples()

    refusals = {labels: n for (name, labels), n in samples.items() if name == "flow_pipelines_refusals_total"}
    for reason in ("pool_exhausted", "overloaded", "permission_denied", "grant_denied"):
        assert refusals.pop(frozenset({reason})) == 0, "there from the start, so that its first increase is seen"
    assert refusals == {
        frozenset({reason}): 1
        for reason in (
            "no_credentials",
            "invalid_token",
            "invalid_argument",
            "not_found",
            "administration_denied",
            "insufficient_scope",
            "method_not_allowed",
        )
    }


async def test_cache_metrics_count_lookups_entries_and_bytes(running: Running, world: World) -> None:
    ada = await world.user()
    for _ in range(3):
        await running.client.get(LIST, headers=ada.headers)
    await world.grant(await world.pipeline(), ada)
    await running.client.get(LIST, headers=ada.headers)

    samples = await running.samples()

    lookups = {
        labels: value for (name, labels), value in samples.items() if name.endswith("response_cache_lookups_total")
    }
    assert lookups == {frozenset({"absent"}): 1, frozenset({"hit"}): 2, frozenset({"outdated"}): 1}
    assert samples["flow_pipelines_response_cache_entries", frozenset()] == 1
    assert samples["flow_pipelines_response_cache_bytes", frozenset()] == running.app[DISPATCHER].responses.bytes > 0
    assert samples["flow_pipelines_response_cache_limit_bytes", frozenset()] == 16 * 2**20
    assert samples["flow_pipelines_response_cache_evictions_total", frozenset()] == 0


async def test_batch_metrics_count_requests_that_share_a_statement(running: Running, world: World) -> None:
    ada = await world.user()
    authentication = running.app[DISPATCHER].authentication

    await asyncio.gather(*(authentication.authenticate(f"Bearer {ada.token}") for _ in range(5)))

    samples = await running.samples()
    name, labels = "flow_pipelines_batch_", frozenset({"authentication"})
    assert samples[name + "size_sum", labels] == 5
    batches = samples[name + "size_count", labels]
    assert batches == samples[name + "duration_seconds_count", labels] < 5
    assert samples[name + "size_bucket", labels | {"+Inf"}] == batches


@pytest.fixture(name="only_asked")
def _only_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the service do nothing at its start of itself that takes a connection, sooner or later."""
    monkeypatch.setattr(Timelines, "note_forever", lambda _: asyncio.Event().wait())


@pytest.mark.usefixtures("only_asked")
async def test_pool_metrics_count_connections_and_pending_requests(running: Running) -> None:
    database = running.database

    async def take_one() -> None:
        async with database.connection() as connection:
            await connection.fetch_row("test.one", "SELECT 1")

    async with database.connection(), database.connection():
        waiting = asyncio.create_task(take_one())
        while database.waiting == 0:  # noqa: ASYNC110 - nor when it waits
            await asyncio.sleep(0)
        size, pending = database.pool_size(), database.waiting
    await waiting

    assert (size.used, size.idle, size.max, pending) == (2, 0, 2, 1)
    samples = await running.samples()
    name = "db_client_connection_"
    assert samples[name + "count", frozenset({"used"})] == 0
    assert samples[name + "count", frozenset({"idle"})] == 2
    assert samples[name + "max", frozenset()] == 2
    assert samples[name + "pending_requests", frozenset()] == 0
    assert samples[name + "wait_time_seconds_count", frozenset()] == 4, "three units of work, and the check of health"
    assert samples["db_client_operation_duration_seconds_count", frozenset({"test.one"})] == 1


async def test_retries_are_counted_by_reason(running: Running) -> None:
    database = running.database
    await database.run(Flaky(CONFLICT, CONFLICT), only_reads=False)
    await database.run(Flaky(LOST), only_reads=True)
    with pytest.raises(Unavailable):
        await database.run(Flaky(LOST), only_reads=False)

    assert await running.value("flow_pipelines_retries_total", "conflict") == 2
    assert await running.value("flow_pipelines_retries_total", "connection_lost") == 1


async def test_build_info_and_readiness_are_exported(running: Running) -> None:
    samples = await running.samples()

    assert samples["flow_pipelines_build_info", frozenset({__version__})] == 1
    assert samples["flow_pipelines_ready", frozenset()] == 1
    assert samples["flow_pipelines_database_up", frozenset()] == 1
    assert samples["flow_pipelines_migrations_pending", frozenset()] == 0
    assert samples["process_resident_memory_bytes", frozenset()] > 0
    running.health.stopping = True
    assert await running.value("flow_pipelines_ready") == 0


async def test_metrics_of_two_applications_are_separate(running: Running, client: Client, world: World) -> None:
    await client.get(LIST, headers=(await world.user()).headers)

    assert await running.value(DURATION + "_count", "GET", LIST, "200") is None


async def test_metric_labels_stay_bounded_under_thousands_of_odd_requests(running: Running, world: World) -> None:
    ada, random = await world.user(), Random(7)  # noqa: S311 - odd, not secret
    methods = ("PROPFIND", "MKCOL", "REPORT", "UNLOCK", "GET", "DELETE", "PUT", "OPTIONS")

    async def odd() -> None:
        junk = "".join(random.choices("abcxyz0123456789{}%41~-_", k=random.randint(1, 60)))
        path = random.choice((f"/{junk}", f"{LIST}/{junk}", f"/api/v1/jobs/{junk}", f"{LIST}?{junk}={junk}", LIST))
        headers = random.choice((ada.headers, bearer("fp_" + junk), {"X-Request-Id": junk}, {"traceparent": junk}))
        async with running.client.request(random.choice(methods), path, headers=headers) as answer:
            await answer.read()

    for _ in range(60):
        await asyncio.gather(*(odd() for _ in range(50)))
    samples = await running.samples()

    durations = running.app[METRICS].durations
    assert sum(sum(histogram.counts) for histogram in durations.values()) == 3000
    labels = [key for key in durations if isinstance(key, tuple)]
    assert {method for method, _, _ in labels} == {"GET", "DELETE", "PUT", "OPTIONS", OTHER}
    assert {route for _, route, _ in labels} <= {route.path for route in ROUTES} | {"unmatched"}
    assert {status for _, _, status in labels} <= {200, 400, 401, 403, 404, 405}
    found = {summary for name, summary in samples if name == "db_client_operation_duration_seconds_count"}
    assert found <= {frozenset({name}) for name in (*statement_names(), *OTHER_STATEMENTS)}


OTHER_STATEMENTS = ("begin", "rollback", "commit", "migrations.table", "migrations.list")
"""The statements of database/."""


def statement_names() -> set[str]:
    """Return the names of all statements in the repositories.

    These are constants, but for the kind of a grant: a user's or a group's.
    """
    found: set[str] = set()
    for path in (Path(service.__file__).parent / "repositories").glob("*.py"):
        text = path.read_text()
        names = re.findall(r"connection\.(?:fetch|fetch_row|fetch_one|execute)\(\s*([^,]+),", text)
        if path.name in ("ordering.py", "overview.py", "granted.py", "examining.py"):  # whose callers give the names
            names = [name for name in names if name != "name"]
        for name in [*names, *re.findall(r"(?:fetch_page|fetch_examined)\(\s*connection,\s*([^,]+),", text)]:
            assert re.fullmatch(r'"[a-z_.]+"|f"[a-z_.]+_\{kind\}s?"', name), f"{path.name}: {name} may be anything"
            found |= {name.removeprefix("f").strip('"').replace("{kind}", kind) for kind in get_args(Kind)}
    assert len(found) > 20
    return found


async def test_metrics_of_a_running_service_are_in_the_reference(running: Running) -> None:
    await running.client.get(LIST)
    reference = (Path(service.__file__).parents[1] / "docs/reference/metrics.md").read_text()

    names = {family.name for family in parse_plain(await running.text())}

    assert [name for name in names if f"| `{name}" not in reference] == []


async def test_scrapes_at_the_same_time_share_a_text_that_is_begun_after_they_came() -> None:
    under_way, may_end, begun = asyncio.Event(), asyncio.Event(), 0
    values = {"value": 0.0}

    class Part:
        def collect(self) -> Iterator[Metric]:
            yield gauge("told", "As it is now.", values["value"])

    registry = CollectorRegistry()
    registry.register(Part())

    async def collect() -> CollectorRegistry:
        nonlocal begun
        begun += 1
        under_way.set()
        await may_end.wait()
        return registry

    app = web.Application()
    app.router.add_get("/metrics", MetricsTexts(collect).answer)
    async with TestClient[web.Request, web.Application](TestServer(app)) as client:
        scrapes = [asyncio.create_task(client.get("/metrics")) for _ in range(50)]
        await under_way.wait()
        scrapes.append(asyncio.create_task(client.get("/metrics")))
        leaving = asyncio.create_task(client.get("/metrics"))
        for _ in range(100):
            await asyncio.sleep(0)
        leaving.cancel()
        values["value"] = 1.0
        may_end.set()
        texts = [await (await scrape).text() for scrape in scrapes]

    assert begun <= 2
    assert {line for text in texts for line in text.splitlines() if line.startswith("told ")} == {"told 1.0"}


async def test_text_that_can_not_be_made_does_not_keep_the_next_from_being_made() -> None:
    answers: list[CollectorRegistry | Exception] = [RuntimeError("odd"), CollectorRegistry()]

    async def collect() -> CollectorRegistry:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    app = web.Application()
    app.router.add_get("/metrics", MetricsTexts(collect).answer)
    async with TestClient[web.Request, web.Application](TestServer(app)) as client:
        statuses = [(await client.get("/metrics")).status for _ in range(2)]

    assert statuses == [500, 200]
