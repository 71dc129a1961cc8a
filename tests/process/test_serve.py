"""A real process: its lifecycle, its probes, its log lines, and the vendor's own examples against it."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import psutil
import pytest
import requests

from service.database.migrations import Migration, load_migrations, migrate
from service.embedded.cluster import embedded_postgres
from tests.commands.forked import run
from tests.conftest import FAST
from tests.factories import Member, World
from tests.process.running import Service, environment, free_port, running_service, start, wait_for

LIST = "/api/v1/flow/pipeline"


@pytest.fixture(scope="module", name="service")
def _service(service_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), service_dsn) as running:
        running.wait_until("/readyz", 200)
        yield running


# ---- the examples of the vendor's document, as they are written, but for what the document leaves open


def example_list(url_base: str, token: str) -> Any:
    payload: dict[str, str] = {}
    url = url_base + "/api/v1/jobs/pipelines"

    headers = {"Authorization": f"Bearer {token}"}

    response = requests.request("GET", url, headers=headers, data=payload)  # noqa: S113 - as the document has it
    return response.json()


def example_update(url_base: str, token: str) -> Any:
    url = url_base + "/api/v1/jobs/pipelines"

    args = {
        "job_id": "f403399d-7ac7-4285-bb06-f7ad82ddbea2",
        "pipeline_ids": ["e05cc5f7-b199-49a6-b1bc-f17dc5247e0c", "03f4dc97-1245-452d-9d7b-17f8b86473b8"],
    }
    json_data = json.dumps(args)

    headers = {"Authorization": "Bearer {0}".format(token)}  # noqa: UP030, UP032 - as the document has it

    r = requests.post(url, data=json_data, headers=headers)  # noqa: S113 - likewise
    return json.loads(r.content)


async def example_world(world: World) -> Member:
    """Create the resources that the examples name."""
    ada = await world.user()
    for name, pipeline_id in (
        ("udit-test", "e05cc5f7-b199-49a6-b1bc-f17dc5247e0c"),
        ("jag-test", "03f4dc97-1245-452d-9d7b-17f8b86473b8"),
    ):
        await world.raw.execute(
            "INSERT INTO pipelines (organization_id, id, name, name_key) VALUES ($1, $2, $3, $3)",
            world.id,
            UUID(pipeline_id),
            name,
        )
        await world.grant(UUID(pipeline_id), ada)
    await world.job(ada, job_id="f403399d-7ac7-4285-bb06-f7ad82ddbea2")
    return ada


async def test_examples_of_the_vendor_document_work(service: Service, world: World) -> None:
    ada = await example_world(world)

    updated = await asyncio.to_thread(example_update, service.api, ada.token)
    listed = await asyncio.to_thread(example_list, service.api, ada.token)

    assert updated == {
        "status": "OK",
        "updated_pipelines": [
            {"flowPipelineName": "udit-test", "flowPipelineId": "e05cc5f7-b199-49a6-b1bc-f17dc5247e0c"},
            {"flowPipelineName": "jag-test", "flowPipelineId": "03f4dc97-1245-452d-9d7b-17f8b86473b8"},
        ],
    }
    execute = {"permissions": ["flow_pipeline:read", "flow_pipeline:execute"], "is_manager": False}
    assert listed == {
        "status": "OK",
        "pipelines": [
            {"name": "jag-test", "id": "03f4dc97-1245-452d-9d7b-17f8b86473b8", **execute},
            {"name": "udit-test", "id": "e05cc5f7-b199-49a6-b1bc-f17dc5247e0c", **execute},
        ],
    }


# ---- probes


def test_probes_of_a_ready_service_succeed(service: Service) -> None:
    answers = {path: requests.get(service.operations + path, timeout=5) for path in ("/livez", "/readyz", "/startupz")}

    assert {path: (answer.status_code, answer.json()) for path, answer in answers.items()} == {
        "/livez": (200, {"status": "OK"}),
        "/readyz": (200, {"status": "OK"}),
        "/startupz": (200, {"status": "OK"}),
    }
    public = requests.get(service.api + "/healthz", timeout=5)
    assert (public.status_code, public.json()) == (200, {"status": "OK"})


def test_operations_port_tells_failures_as_the_public_one_does(service: Service) -> None:
    for address in (service.operations, service.api):
        missing = requests.get(f"{address}/none", headers={"X-Request-Id": "mine"}, timeout=5)
        wrong = requests.post(f"{address}{'/livez' if address == service.operations else '/healthz'}", timeout=5)

        assert (missing.status_code, missing.headers["X-Request-Id"]) == (404, "mine")
        assert missing.json() == {
            "status": "ERROR",
            "msg": "There is nothing at this address.",
            "code": "NOT_FOUND",
            "request_id": "mine",
        }
        assert (wrong.status_code, wrong.headers["Allow"], wrong.json()["code"]) == (405, "GET, HEAD", "UNIMPLEMENTED")


def test_operations_endpoints_are_not_on_the_public_port(service: Service) -> None:
    paths = ("/livez", "/readyz", "/startupz", "/metrics")
    assert {requests.get(service.api + path, timeout=5).status_code for path in paths} == {404}


def test_service_is_ready_once_its_database_is_migrated(empty_dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, empty_dsn) as service:
        ready = requests.get(service.operations + "/readyz", timeout=5)
        call = requests.get(service.api + LIST, headers={"Authorization": "Bearer x"}, timeout=5)
        started = requests.get(service.operations + "/startupz", timeout=5)

        assert (ready.status_code, started.status_code) == (503, 503)
        assert ready.json()["reasons"] == [
            f"The database lacks {len(load_migrations())} migrations, from 0001_create_tables.sql on: run `migrate`."
        ]
        assert (call.status_code, call.json()["code"], call.headers["Retry-After"]) == (503, "UNAVAILABLE", "1")
        assert gauges(service) == {"ready": 0, "database_up": 1, "migrations_pending": len(load_migrations())}

        asyncio.run(migrate(empty_dsn))
        service.wait_until("/startupz", 200)
        service.wait_until("/readyz", 200)
        assert gauges(service) == {"ready": 1, "database_up": 1, "migrations_pending": 0}
        told = [line for line in service.lines() if line["event"] in ("not_ready", "ready")]
        assert [line["event"] for line in told] == ["not_ready", "ready"]
        assert told[0]["reasons"] == ready.json()["reasons"]


def gauges(service: Service) -> dict[str, float]:
    """Return the gauges of `/metrics` about the database."""
    text = requests.get(service.operations + "/metrics", timeout=5).text
    found = re.findall(r"^flow_pipelines_(ready|database_up|migrations_pending) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def later(sql: str) -> list[Migration]:
    """Return this version's migrations and one that only a later version has."""
    known = load_migrations()
    return [*known, Migration(len(known) + 1, f"{len(known) + 1:04}_later.sql", sql)]


async def test_a_newer_database_is_served_until_one_of_its_migrations_needs_more(
    empty_dsn: str, tmp_path: Path
) -> None:
    await migrate(empty_dsn, migrations=later("ALTER TABLE jobs ADD COLUMN priority integer"))
    with running_service(tmp_path, empty_dsn) as service:
        await asyncio.to_thread(service.wait_until, "/readyz", 200)
        call = await asyncio.to_thread(requests.get, service.api + LIST, headers={"Authorization": "Bearer x"})
        assert call.status_code == 401

        contract = f"-- needs: {len(load_migrations()) + 1:04}\nSELECT 1"
        more = later("ALTER TABLE jobs ADD COLUMN priority integer")
        await migrate(empty_dsn, migrations=[*more, Migration(len(more) + 1, f"{len(more) + 1:04}_drop.sql", contract)])

        await asyncio.to_thread(service.wait_until, "/readyz", 503)
        (line,) = service.events("not_ready")
        assert "The database is too new for this version of the service: its migration " in str(line["reasons"])
        assert "`migrate --check`" in str(line["reasons"])


def test_service_survives_an_outage_of_its_database(tmp_path: Path) -> None:
    def call() -> requests.Response:
        return requests.get(service.api + LIST, headers={"Authorization": "Bearer fp_unknown"}, timeout=15)

    data = tmp_path / "postgres"
    with ExitStack() as stack:
        with embedded_postgres(data, FAST) as dsn:
            asyncio.run(migrate(dsn))
            service = stack.enter_context(running_service(tmp_path, dsn))
            service.wait_until("/readyz", 200)
            assert call().status_code == 401

        live = requests.get(service.operations + "/livez", timeout=5)
        ready = requests.get(service.operations + "/readyz", timeout=5)
        public = requests.get(service.api + "/healthz", timeout=5)
        refused = call()

        assert (live.status_code, ready.status_code, public.status_code) == (200, 503, 503)
        assert "FileNotFoundError" in ready.json()["reasons"][0] or "refused" in ready.json()["reasons"][0]
        assert public.json() == {"status": "ERROR"}
        assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")
        assert refused.headers["Retry-After"] == "1"
        assert "postgres" not in refused.text
        assert gauges(service) == {"ready": 0, "database_up": 0, "migrations_pending": 0}

        with embedded_postgres(data, FAST):
            service.wait_until("/readyz", 200)
            assert call().status_code == 401


# ---- shutdown


@contextmanager
def unignored(number: signal.Signals) -> Iterator[None]:
    """Let processes that are started have a signal that is ignored here, as by nohup."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_shut_down_the_service(dsn: str, tmp_path: Path, number: signal.Signals) -> None:
    with unignored(number), running_service(tmp_path, dsn) as service:
        service.process.send_signal(number)

        assert service.process.wait(10) == 0
        assert [line["event"] for line in service.lines()] == ["started", "stopping", "stopped"]
        assert service.events("stopping")[0]["signal"] == number.name


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_service_on_all_of_ipv6_is_on_all_of_ipv4_too_and_says_both(dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, dsn, HTTP_HOST="::") as service:
        told = {line["setting"]: line["addresses"] for line in service.events("listening")}
        port = service.api.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            assert requests.get(f"http://{host}:{port}{LIST}", timeout=5).status_code == 401

    assert told["HTTP_PORT"] == [f"http://[::]:{port}", f"http://0.0.0.0:{port}"]
    assert len({address.rpartition(":")[2] for address in told["OPS_PORT"]}) == 1, "any free port, but one"  # type: ignore[attr-defined] # a list


@pytest.mark.parametrize(
    ("host", "sentence"),
    [
        ("host.invalid", "HTTP_HOST is 'host.invalid', which can't be resolved ("),
        ("a" * 64, f"HTTP_HOST is '{'a' * 64}', which can't be resolved (it is no name of a host"),
        (os.fsdecode(b"caf\xe9"), "HTTP_HOST is 'caf\\\\udce9', which can't be resolved (it is no name of a host"),
        ("203.0.113.7", "HTTP_HOST is '203.0.113.7', which is no address of this machine: set it to one, such as"),
    ],
)
def test_service_on_a_host_that_is_none_names_the_host(host: str, sentence: str, dsn: str) -> None:
    done = run("serve", DATABASE_URL=dsn, HTTP_HOST=host, HTTP_PORT=str(free_port()))

    assert done.returncode == 2
    assert done.stderr.startswith(f"flow-pipelines: {sentence}")
    assert len(done.stderr.splitlines()) == 1


def test_service_tells_of_unknown_settings_first(dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, dsn, DATABASE_POOL_SIZES="3") as service:
        told = service.lines()[0]

    assert (told["event"], told["level"]) == ("unknown_setting", "warning")
    assert (told["name"], told["nearest"]) == ("DATABASE_POOL_SIZES", "DATABASE_POOL_SIZE")


def test_a_terminated_service_is_not_ready_but_answers_during_the_shutdown_delay(dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, dsn, SHUTDOWN_DELAY="2") as service:
        service.wait_until("/readyz", 200)
        service.process.terminate()
        service.wait_until("/readyz", 503)

        ready = requests.get(service.operations + "/readyz", timeout=5)
        call = requests.get(service.api + LIST, timeout=5)

        assert ready.json()["reasons"] == ["The process is about to end."]
        assert call.status_code == 401
        assert service.process.wait(10) == 0


def test_a_second_signal_ends_the_service_at_once(dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, dsn, SHUTDOWN_DELAY="60") as service:
        service.process.terminate()
        wait_for(lambda: bool(service.events("stopping")))
        service.process.terminate()

        assert service.process.wait(5) == 128 + signal.SIGTERM


def test_a_request_in_flight_at_shutdown_is_answered(dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, dsn) as service:
        host, port = service.api.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            head = "POST /api/v1/jobs/pipelines HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{"
            connection.sendall(head.encode())
            connection.sendall(b"}")
            service.process.terminate()
            answer = connection.recv(65536)

        assert answer.startswith(b"HTTP/1.1 401")
        assert service.process.wait(10) == 0


# ---- failures to start


def one_sentence(*arguments: str, **settings: str) -> tuple[int, str]:
    """Run a command that can't start; return its exit code and its error output."""
    command = [sys.executable, "-m", "service", *arguments]
    ended = subprocess.run(
        command, env=environment(**settings), capture_output=True, text=True, timeout=30, check=False
    )
    return ended.returncode, ended.stderr


def test_a_taken_port_is_reported_in_one_sentence(dsn: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        for name, other in (("HTTP_PORT", "OPS_PORT"), ("OPS_PORT", "HTTP_PORT")):
            said = one_sentence("serve", DATABASE_URL=dsn, **{name: port, other: str(free_port())})
            assert said == (
                2,
                f"flow-pipelines: 127.0.0.1:{port} can't be listened on (Address already in use):"
                f" set {name} to another port.\n",
            )


def test_a_bad_setting_is_reported_in_one_sentence() -> None:
    assert one_sentence("serve", HTTP_PORT="x") == (
        2,
        "flow-pipelines: HTTP_PORT is 'x', but must be a whole number from 1 to 65535.\n",
    )


def test_a_bad_address_is_reported_in_one_sentence_without_the_password() -> None:
    code, said = one_sentence("serve", DATABASE_URL="mysql://me:secret@x/y")

    assert (code, said.count("\n"), "secret" in said) == (2, 1, False)


# ---- log lines


async def test_a_request_is_logged_in_one_line(service: Service, world: World) -> None:
    ada = await world.user()
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    agent = {"User-Agent": "robot/1.0"}
    headers = {**ada.headers, **agent, "X-Request-Id": "line-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}

    await asyncio.to_thread(requests.get, service.api + LIST, headers=headers, timeout=5)
    await asyncio.to_thread(requests.get, service.api + "/no/such?x=1", headers={"X-Request-Id": "line-2"}, timeout=5)

    wait_for(lambda: len(of_request(service, "line-2")) == 1)
    (line,) = of_request(service, "line-1")
    durations = {line.pop(name) for name in ("timestamp", "duration_ms", "database_ms")}
    assert len(durations) == 3
    assert line == {
        "level": "info",
        "event": "request",
        "method": "GET",
        "route": LIST,
        "status": 200,
        "code": "OK",
        "statements": 2,
        "client": "127.0.0.1",
        "user_agent": "robot/1.0",
        "request_id": "line-1",
        "trace_id": trace,
        "organization_id": str(world.id),
        "user_id": str(ada.id),
        "username": ada.username,
        "token_id": str(await world.raw.fetchval("SELECT id FROM tokens WHERE user_id = $1", ada.id)),
    }
    (missing,) = of_request(service, "line-2")
    assert (missing["route"], missing["status"], missing["code"]) == ("unmatched", 404, "NOT_FOUND")
    assert missing["path"] == "/no/such"


def of_request(service: Service, request_id: str) -> list[dict[str, object]]:
    return [line for line in service.lines() if line.get("request_id") == request_id]


async def test_a_disconnected_client_is_logged(service: Service, world: World, dsn: str) -> None:
    ada = await world.user(role="admin")
    job = await world.job(ada)
    body = json.dumps({"job_id": job, "pipeline_ids": [str(await world.pipeline())]}).encode()
    locker = await asyncpg.connect(dsn)
    lock = locker.transaction()
    await lock.start()
    await locker.execute("SELECT 1 FROM jobs WHERE id = $1 FOR UPDATE", job)

    host, port = service.api.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /api/v1/jobs/pipelines HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ada.token}\r\n"
    writer.write(f"{head}X-Request-Id: left\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    await asyncio.sleep(0.3)
    writer.close()
    await asyncio.sleep(0.2)
    await lock.rollback()
    await locker.close()

    await asyncio.to_thread(wait_for, lambda: len(of_request(service, "left")) == 1)
    (line,) = of_request(service, "left")
    assert (line["status"], line["code"]) == (499, "CANCELLED")


async def test_log_lines_contain_no_token(service: Service, world: World) -> None:
    ada = await world.user()
    for headers in (ada.headers, {"Authorization": "Bearer fp_canary"}, {"X-Request-Id": "the-last", **ada.headers}):
        await asyncio.to_thread(requests.get, f"{service.api}{LIST}?t={ada.token}", headers=headers, timeout=5)

    wait_for(lambda: len(of_request(service, "the-last")) == 1)
    log = service.log.read_text()
    assert ada.token not in log
    assert "canary" not in log


def test_start_line_has_the_settings_in_effect_without_secrets(service_dsn: str, tmp_path: Path) -> None:
    dsn = service_dsn.replace("flow_service@", "flow_service:hidden%21@")
    with running_service(tmp_path, dsn, MAX_REQUESTS="123", TRUSTED_PROXIES="10.0.0.0/8,fd00::/8") as service:
        (started,) = service.events("started")

    settings = started["settings"]
    assert isinstance(settings, dict)
    assert (settings["MAX_REQUESTS"], settings["TRUSTED_PROXIES"]) == (123, "10.0.0.0/8, fd00::/8")
    assert {name for name in settings if name not in shown_by_doctor()} == set()
    assert str(settings["DATABASE_URL"]).startswith("postgresql://flow_service:***@")
    assert "hidden" not in service.log.read_text()


def shown_by_doctor() -> set[str]:
    listed = run("doctor", "--settings", "--json", DATABASE_URL="postgresql://a:hidden@x/y")
    assert "hidden" not in listed.stdout
    return {each["name"] for each in json.loads(listed.stdout)["settings"]}


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (b"GARBAGE\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer fp_hidden\x00\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer fp_hidden\r\n\r\n", 400, "malformed"),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "malformed",
        ),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: hidden" + b"a" * 20_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (b"GET /hidden" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "target_too_long"),
    ],
)
def test_malformed_http_is_answered_and_logged(service: Service, sent: bytes, status: int, reason: str) -> None:
    host, port = service.api.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk

    head, _, body = answer.partition(b"\r\n\r\n")
    failure = json.loads(body)
    assert re.match(rb"HTTP/1\.[01] %d " % status, head)
    assert (failure["status"], failure["code"]) == ("ERROR", "INVALID_ARGUMENT")
    wait_for(lambda: len(of_request(service, failure["request_id"])) == 1)
    (line,) = of_request(service, failure["request_id"])
    assert (line["route"], line["client"]) == ("malformed", "127.0.0.1")
    assert "hidden" not in service.log.read_text()
    metrics = requests.get(service.operations + "/metrics", timeout=5).text
    assert f'flow_pipelines_refusals_total{{reason="{reason}"}}' in metrics


def test_log_format_console_is_no_json(dsn: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = start(
            "serve",
            output=output,
            DATABASE_URL=dsn,
            HTTP_PORT=str(free_port()),
            OPS_PORT="0",
            LOG_FORMAT="console",
        )
    wait_for(lambda: "started" in log.read_text())
    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 0
    assert not log.read_text().startswith("{")


def test_concurrent_requests_are_logged_in_a_line_each(service: Service) -> None:
    threads = [
        threading.Thread(
            target=requests.get,
            args=(service.api + LIST,),
            kwargs={"headers": {"X-Request-Id": f"at-once-{n}"}, "timeout": 5},
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    wait_for(lambda: all(len(of_request(service, f"at-once-{n}")) == 1 for n in range(8)))


def test_process_1_ends_by_sigterm_before_it_serves(tmp_path: Path) -> None:
    """As in a container: the kernel withholds a signal from process 1 without a handler. Here it waits for ever."""
    isolated = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    if shutil.which("unshare") is None or subprocess.run([*isolated, "true"], check=False).returncode:
        pytest.skip("process namespaces are refused here")
    with socket.create_server(("127.0.0.1", 0)) as silent, (tmp_path / "log").open("wb") as output:
        dsn = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        process = start("migrate", output=output, prefix=isolated, DATABASE_URL=dsn)
        accepted, _ = silent.accept()
        with accepted:
            (first,) = psutil.Process(process.pid).children()
            first.terminate()

            assert process.wait(15) == 128 + signal.SIGTERM


@pytest.mark.parametrize("files", [64, 256])
def test_probes_are_answered_where_few_files_may_be_open_and_clients_take_them(
    service_dsn: str, tmp_path: Path, files: int
) -> None:
    few = ("sh", "-c", f'ulimit -n {files}; exec "$@"', "sh")
    with running_service(tmp_path, service_dsn, prefix=few) as service, ExitStack() as clients:
        service.wait_until("/readyz", 200)
        host, port = service.api.removeprefix("http://").split(":")
        for _ in range(files):
            clients.enter_context(socket.create_connection((host, int(port)), timeout=5))

        refused = f'flow_pipelines_refusals_total{{reason="too_many_connections"}} {files - files // 4}.0\n'
        wait_for(lambda: refused in requests.get(service.operations + "/metrics", timeout=5).text)
        probes = [requests.get(service.operations + path, timeout=5) for path in ("/livez", "/readyz")]

        assert [probe.status_code for probe in probes] == [200, 200]
