"""A `serve` whose log nothing reads: it costs log lines, and nothing else."""

import http.client
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import psutil
import pytest
import requests

from tests.process.running import free_port, start, wait_for


@contextmanager
def serving(dsn: str, output: int, **settings: str) -> "Iterator[tuple[subprocess.Popen[bytes], str, str]]":
    """Run a service with an output; yield its process and addresses."""
    ports = str(free_port()), str(free_port())
    with os.fdopen(output, "wb") as file:
        process = start(
            "serve",
            output=file,
            **{"DATABASE_URL": dsn, "SHUTDOWN_DELAY": "0", "HTTP_PORT": ports[0], "OPS_PORT": ports[1], **settings},
        )
    api, operations = (f"http://127.0.0.1:{port}" for port in ports)
    try:
        wait_for(lambda: process.poll() is not None or _ready(operations), 30, "the service")
        yield process, api, operations
    finally:
        process.kill()
        process.wait(20)


def _ready(operations: str) -> bool:
    try:
        return requests.get(operations + "/readyz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def _fill(api: str, operations: str) -> int:
    """Send requests until lines are dropped; return how many.

    A long path is in each of their lines. Those that fit into a pipe and what may wait take no more than 4,000.
    """
    before, sent = _dropped(operations), 0
    host, port = api.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    while _dropped(operations) == before:
        assert sent < 4000
        for _ in range(200):
            connection.request("GET", f"/api/v1/flow/pipeline/{'x' * 300}")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 401
        sent += 200
    connection.close()
    return sent


def _dropped(operations: str) -> int:
    (line,) = [
        line
        for line in requests.get(operations + "/metrics", timeout=5).text.splitlines()
        if line.startswith("flow_pipelines_log_lines_dropped_total ")
    ]
    return int(float(line.split()[1]))


def test_service_with_a_log_that_nothing_reads_goes_on_and_says_what_it_dropped(service_dsn: str) -> None:
    reading, writing = os.pipe()
    with serving(service_dsn, writing, LOG_FORMAT="json") as (process, api, operations):
        sent = _fill(api, operations)
        assert requests.get(operations + "/livez", timeout=5).status_code == 200
        dropped = _dropped(operations)

        os.set_blocking(reading, False)
        came = bytearray()
        while b'"log_lines_dropped"' not in came:
            time.sleep(0.05)
            try:
                came.extend(os.read(reading, 1_000_000))
            except BlockingIOError:
                continue
        lines = [orjson.loads(line) for line in came.splitlines()]
        requests_told = sum(line["event"] == "request" for line in lines)
        assert lines[-1]["lines"] == dropped
        assert requests_told + dropped == sent

        _fill(api, operations)
        begun = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - begun < 5
    os.close(reading)


@pytest.mark.parametrize("form", ["json", "console"])
def test_service_on_a_stopped_terminal_goes_on_and_ends(service_dsn: str, form: str) -> None:
    """Ctrl-S at a terminal."""
    master, terminal = pty.openpty()
    with serving(service_dsn, os.dup(terminal), LOG_FORMAT=form) as (process, api, operations):
        termios.tcflow(terminal, termios.TCOOFF)
        _fill(api, operations)
        assert requests.get(operations + "/livez", timeout=5).status_code == 200

        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    os.close(master)
    os.close(terminal)


def test_service_whose_log_reader_has_gone_goes_on_and_ends(service_dsn: str) -> None:
    reading, writing = os.pipe()
    with serving(service_dsn, writing) as (process, api, operations):
        os.close(reading)
        assert requests.get(api + "/healthz", timeout=5).status_code == 200
        assert _dropped(operations) > 0
        assert psutil.Process(process.pid).is_running()

        process.terminate()
        assert process.wait(20) == 0
