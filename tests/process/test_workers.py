"""Several workers: kills, hangs and rolling replacements under requests; probes, metrics and the end of all."""

import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from tests.commands.forked import run
from tests.process.running import Service, free_port, running_service, runs, wait_for

LIST = "/api/v1/flow/pipeline"
SIZE = 2


@pytest.fixture(scope="module", name="shared")
def _shared(service_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("service"), service_dsn, "--workers", str(SIZE)) as running:
        yield running


@pytest.fixture(name="service")
def _service(shared: Service) -> Service:
    """Return a service of which all workers serve; what earlier tests have counted is still counted."""
    for number in range(1, SIZE + 1):
        shared.wait_until(f"/livez/{number}", 200, 60)
    shared.wait_until("/readyz", 200)
    return shared


def workers(service: Service) -> dict[int, int]:
    """Return the processes of the workers by their numbers."""
    answer = requests.get(service.operations + "/livez", timeout=5).json()
    return {each["worker"]: each["process"] for each in answer["workers"]}


def metric(service: Service, name: str) -> float:
    text = requests.get(service.operations + "/metrics", timeout=5).text
    found = re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


REPLACED = "flow_pipelines_worker_replacements_total"
COUNT = "http_server_request_duration_seconds_count"


class Load:
    """Requests by several threads, each over a connection that it keeps, or a new one each time."""

    def __init__(self, api: str) -> None:
        self.outcomes: Counter[str] = Counter()
        self._api = api
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(kept,)) for kept in (True, True, False, False)]

    def _send(self, kept: bool) -> None:
        session = requests.Session()
        while not self._over.is_set():
            try:
                sending = session if kept else requests
                outcome = str(sending.get(self._api + LIST, timeout=10).status_code)
            except requests.RequestException as error:
                outcome = type(error).__name__
            self.outcomes[outcome] += 1
            time.sleep(0.002)

    @contextmanager
    def running(self) -> Iterator["Load"]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()


def test_probes_of_workers_answer_for_all(service: Service) -> None:
    alive = requests.get(service.operations + "/livez", timeout=5)
    one, none = (requests.get(f"{service.operations}/livez/{number}", timeout=5) for number in (2, 3))
    ready = requests.get(service.operations + "/readyz", timeout=5)
    started = requests.get(service.operations + "/startupz", timeout=5)

    nothing = requests.get(service.operations + "/none", timeout=5)

    assert (nothing.status_code, nothing.json()["code"]) == (404, "NOT_FOUND")
    assert [alive.status_code, one.status_code, none.status_code] == [200, 200, 404]
    assert [(each["worker"], each["status"]) for each in alive.json()["workers"]] == [(1, "OK"), (2, "OK")]
    assert [(each.status_code, each.json()) for each in (ready, started)] == [(200, {"status": "OK"})] * 2
    lines = service.events("worker_started")
    assert {line["worker"] for line in lines} == {1, 2}
    assert {line["process"] for line in lines} >= set(workers(service).values())


def test_metrics_of_workers_are_summed_and_survive_their_ends(service: Service) -> None:
    before, replaced = metric(service, COUNT), metric(service, REPLACED)
    for _ in range(30):
        requests.get(service.api + LIST, timeout=5)
    counted = metric(service, COUNT)
    processes = workers(service)
    for process in processes.values():
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: set(workers(service).values()).isdisjoint(processes.values()), 30, "two new workers")
    service.wait_until("/readyz", 200, 30)
    requests.get(service.api + LIST, timeout=5)

    assert (counted - before, metric(service, COUNT) - before) == (30, 31)
    assert metric(service, REPLACED) - replaced == SIZE
    assert (metric(service, "flow_pipelines_workers"), metric(service, "flow_pipelines_ready")) == (SIZE, 1)
    ended = service.events("worker_ended")[-SIZE:]
    assert [(line["reason"], line["code"]) for line in ended] == [("killed", -9)] * SIZE


def kill_and_wait(service: Service, load: Load, number: int) -> None:
    """Kill a worker, and wait until another one has taken its place, and requests went on."""
    victim = workers(service)[number]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: workers(service)[number] != victim, 30, "a new worker")
    wait_for(lambda: requests.get(f"{service.operations}/livez/{number}", timeout=5).ok, 30, "its life")
    answered = load.outcomes["401"]
    wait_for(lambda: load.outcomes["401"] > answered + 50, 30, "answers")


def test_requests_go_on_while_workers_are_killed(service: Service) -> None:
    with Load(service.api).running() as load:
        for number in (1, 2):
            kill_and_wait(service, load, number)

    failed = sum(load.outcomes.values()) - load.outcomes["401"]
    assert failed <= 2 * 4, f"no more than were under way at the worker that was killed: {load.outcomes}"


def test_reload_replaces_every_worker_and_loses_no_request(service: Service) -> None:
    before, counted, replaced = workers(service), metric(service, COUNT), metric(service, REPLACED)
    with Load(service.api).running() as load:
        wait_for(lambda: load.outcomes["401"] > 50)
        service.process.send_signal(signal.SIGHUP)
        wait_for(lambda: bool(service.events("reloaded")), 60, "the end of the reload")
        answered = load.outcomes["401"]
        wait_for(lambda: load.outcomes["401"] > answered + 50)

    lost = sum(load.outcomes.values()) - load.outcomes["401"]
    assert lost <= 1, f"a request may cross with the end of a connection that was idle: {load.outcomes}"
    assert set(before.values()).isdisjoint(workers(service).values())
    assert metric(service, COUNT) - counted == load.outcomes["401"]
    assert metric(service, REPLACED) == replaced


@pytest.mark.slow
def test_hung_worker_is_killed_and_replaced(service: Service) -> None:
    victim = workers(service)[1]
    os.kill(victim, signal.SIGSTOP)
    wait_for(lambda: requests.get(f"{service.operations}/livez/1", timeout=5).status_code == 503, 10, "its silence")
    assert requests.get(service.operations + "/livez", timeout=5).status_code == 200
    wait_for(lambda: workers(service)[1] != victim, 30, "another worker")
    service.wait_until("/readyz", 200, 30)

    assert not psutil.pid_exists(victim)
    line = service.events("worker_ended")[-1]
    assert (line["worker"], line["process"], line["reason"]) == (1, victim, "hung")
    assert [line["reason"] for line in service.events("worker_killed")] == ["hung"]


def test_terminated_workers_answer_what_is_under_way_and_end(service_dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, service_dsn, "--workers", "2", SHUTDOWN_DELAY="1") as service:
        service.wait_until("/readyz", 200)
        processes = [psutil.Process(each) for each in workers(service).values()]
        host, port = service.api.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"POST /api/v1/jobs/pipelines HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{")
            service.process.terminate()
            for process in processes:  # as systemd does by default
                process.terminate()
            service.wait_until("/readyz", 503)
            service.process.send_signal(signal.SIGHUP)  # which a service that ends has no use for
            during = requests.get(service.api + LIST, timeout=5)
            connection.sendall(b"}")
            answer = connection.recv(65536)

        assert (during.status_code, answer[:12]) == (401, b"HTTP/1.1 401")
        assert service.process.wait(20) == 0
        assert not any(map(runs, processes))
        assert service.lines()[-1]["event"] == "stopped"
        assert not service.events("reloading")


def test_second_signal_ends_all_workers_at_once(service_dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, service_dsn, "--workers", "2", SHUTDOWN_DELAY="60") as service:
        processes = [psutil.Process(each) for each in workers(service).values()]
        service.process.terminate()
        wait_for(lambda: len(service.events("stopping")) == 3)
        service.process.terminate()

        assert service.process.wait(5) == 128 + signal.SIGTERM
        wait_for(lambda: not any(map(runs, processes)))


def test_workers_end_with_a_parent_that_is_killed(service_dsn: str, tmp_path: Path) -> None:
    with running_service(tmp_path, service_dsn, "--workers", "2") as service:
        processes = [psutil.Process(each) for each in workers(service).values()]
        service.process.kill()
        service.process.wait(5)

        wait_for(lambda: not any(map(runs, processes)))


def test_workers_that_cannot_start_are_reported_in_one_sentence(service_dsn: str) -> None:
    settings = {"HTTP_PORT": str(free_port()), "OPS_PORT": "0"}
    done = run("serve", "--workers", "2", DATABASE_URL=f"{service_dsn}&ssl_mode=disable", **settings)

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "did you mean sslmode?" in done.stderr


def test_workers_serve_at_a_unix_socket(service_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with running_service(tmp_path, service_dsn, "--workers", "2", HTTP_SOCKET=str(path)) as service:
        assert service.api == f"unix:{path}"
        for _ in range(4):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(f"GET {LIST} HTTP/1.0\r\n\r\n".encode())
                assert connection.recv(65536).startswith(b"HTTP/1.0 401")

    assert not path.exists()
