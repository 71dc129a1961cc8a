"""A rolling update of two processes behind the proxy of deploy/compose.yaml, under load."""

import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from tests.process.running import ROOT, Service, free_port, running_service, wait_for

pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")


@contextmanager
def proxy(directory: Path, first: str, second: str) -> Iterator[str]:
    """Run the proxy as it is configured, but for its port and the addresses of the two processes."""
    port = free_port()
    text = (ROOT / "deploy/compose/haproxy.cfg").read_text()
    for pattern, replacement in (
        (r"bind :8080", f"bind 127.0.0.1:{port}"),
        (r"service-a:8080", first),
        (r"service-b:8080", second),
    ):
        text, replaced = re.subn(pattern, replacement, text)
        assert replaced == 1
    configuration = directory / "haproxy.cfg"
    configuration.write_text(text)
    with (directory / "proxy.log").open("wb") as log:
        process = subprocess.Popen(["haproxy", "-f", str(configuration)], stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(url) == 200, what="the proxy")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> int:
    try:
        return requests.get(f"{url}/healthz", timeout=5).status_code
    except requests.ConnectionError:
        return 0


class Load:
    """Requests, one after another on each of four persistent connections, and the count of each status."""

    def __init__(self, url: str) -> None:
        self.statuses: Counter[object] = Counter()
        self._url = f"{url}/api/v1/flow/pipeline"
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(4)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        with requests.Session() as session:
            while not self._over.wait(0.01):
                try:
                    self.statuses[session.get(self._url, timeout=10).status_code] += 1
                except requests.RequestException as error:
                    self.statuses[type(error)] += 1


def test_rolling_update_behind_the_proxy_loses_no_request(service_dsn: str, tmp_path: Path) -> None:
    ports = [str(free_port()), str(free_port())]
    with ExitStack() as stack:

        def serve(port: str) -> Service:
            service = stack.enter_context(running_service(tmp_path, service_dsn, HTTP_PORT=port, SHUTDOWN_DELAY="3"))
            service.wait_until("/readyz", 200)
            return service

        services = [serve(port) for port in ports]
        url = stack.enter_context(proxy(tmp_path, *(f"127.0.0.1:{port}" for port in ports)))
        with Load(url) as load:
            for old, port in zip(services, ports, strict=True):
                old.process.terminate()
                assert old.process.wait(30) == 0
                serve(port)
                time.sleep(2.5)  # until the proxy has seen it

    assert set(load.statuses) == {401}
    assert load.statuses[401] > 500
