"""A real process that sends its spans to a collector, or to none."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.version import __version__
from tests.commands.forked import run
from tests.factories import World
from tests.process.running import free_port, running_service

LIST = "/api/v1/flow/pipeline"


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, ExportTraceServiceRequest]]]]:
    """Run a collector; yield its address, and its list of received exports with their paths."""
    received: list[tuple[str, ExportTraceServiceRequest]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", received
        server.shutdown()


async def test_spans_are_sent_by_otlp_at_the_latest_at_shutdown(tmp_path: Path, service_dsn: str, world: World) -> None:
    ada = await world.user()

    def call_and_end(address: str) -> None:
        with running_service(
            tmp_path, service_dsn, OTEL_EXPORTER_OTLP_ENDPOINT=address, OTEL_RESOURCE_ATTRIBUTES="deployment=test"
        ) as service:
            requests.get(service.api + LIST, headers=ada.headers, timeout=5)
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(15) == 0

    with collector() as (address, received):
        await asyncio.to_thread(call_and_end, address)

    ((path, sent),) = received
    (of_resource,) = sent.resource_spans
    resource = {attribute.key: attribute.value.string_value for attribute in of_resource.resource.attributes}
    assert path == "/v1/traces"
    assert resource["service.name"] == "flow-pipelines"
    assert resource["service.version"] == __version__
    assert resource["deployment"] == "test"
    names = {span.name for scope in of_resource.scope_spans for span in scope.spans}
    assert names == {
        f"GET {LIST}",
        "batch authentication",
        "tokens.find_active",
        "batch pipeline_list",
        "pipelines.list_granted_each",
    }


async def test_an_unreachable_collector_affects_neither_requests_nor_shutdown(
    tmp_path: Path, service_dsn: str, world: World
) -> None:
    ada = await world.user()

    def call_and_end() -> int:
        address = f"http://127.0.0.1:{free_port()}"
        with running_service(tmp_path, service_dsn, OTEL_EXPORTER_OTLP_ENDPOINT=address) as service:
            status = requests.get(service.api + LIST, headers=ada.headers, timeout=5).status_code
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(15) == 0
            return status

    assert await asyncio.to_thread(call_and_end) == 200


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_BSP_MAX_QUEUE_SIZE", "-1"), ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")]
)
def test_setting_that_opentelemetry_does_not_take_ends_the_start_in_a_sentence(
    service_dsn: str, variable: str, value: str
) -> None:
    settings = {"HTTP_PORT": str(free_port()), "OPS_PORT": "0", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    done = run("serve", DATABASE_URL=service_dsn, **settings, **{variable: value})

    assert done.returncode == 2
    assert "flow-pipelines: OpenTelemetry does not take a setting of its own (OTEL_…): " in done.stderr
    assert "Traceback" not in done.stderr
