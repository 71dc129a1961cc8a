"""Organizations on two PostgreSQL clusters behind one address, by the configuration in docs/explanation/scale.md."""

import asyncio
import hashlib
import io
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import orjson
import psutil
import pytest
import requests

from service.database.migrations import migrate
from service.embedded.cluster import embedded_postgres
from service.transfer.exporting import export_records
from service.transfer.importing import import_records
from tests.bench.measure import cpu_seconds
from tests.deployment.test_prefix import find
from tests.faults.harness.load_balancers import running_proxy
from tests.process.running import ROOT, Service, free_port, running_service

PAGE = ROOT / "docs/explanation/scale.md"
REQUESTS = 300
"""Requests by which it is printed what a request costs."""


@dataclass(frozen=True)
class Organization:
    """An organization with an administrator, their token, a pipeline and a job."""

    name: str
    id: UUID
    token: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.token.encode()).hexdigest()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def lines(self) -> io.BytesIO:
        of_it, user, pipeline = {"organization_id": str(self.id)}, str(uuid4()), str(uuid4())
        records = (
            {"type": "organization", "id": str(self.id), "name": self.name},
            {"type": "user", "id": user, **of_it, "username": "ada", "role": "admin"},
            {"type": "pipeline", "id": pipeline, **of_it, "name": f"pipeline of {self.name}"},
            {"type": "token", "user_id": user, "sha256": self.digest, "name": "laptop"},
            {"type": "job", "id": "job-1", **of_it, "owner_id": user},  # both have a job of that id
            {"type": "assignment", "job_id": "job-1", "pipeline_id": pipeline},
        )
        return io.BytesIO(b"\n".join(map(orjson.dumps, records)))


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL with the service on it, and the organization that it was made with."""

    dsn: str
    service: Service
    organization: Organization

    def answered(self, token: str) -> int:
        """Return how many requests of a token's user it has answered with 200 so far."""
        found = asyncio.run(self._token_id(token))
        return sum(
            line["event"] == "request" and line.get("status") == 200 and line.get("token_id") == found
            for line in self.service.lines()
        )

    async def _token_id(self, token: str) -> str | None:
        raw = await asyncpg.connect(self.dsn)
        try:
            digest = hashlib.sha256(token.encode()).digest()
            token_id = await raw.fetchval("SELECT id::text FROM tokens WHERE digest = $1", digest)
        finally:
            await raw.close()
        return None if token_id is None else str(token_id)


@dataclass(frozen=True)
class Router:
    """HAProxy before both, and its directory."""

    url: str
    pid: int
    map: Path
    control: Path

    def get(self, token: str | None, path: str = "flow/pipeline") -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.get(f"{self.url}/api/v1/{path}", headers=headers, timeout=10)

    def place(self, organization: Organization, cluster: str) -> None:
        """Change the directory of the running router."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.control))
            control.sendall(f"set map {self.map} {organization.digest} {cluster}\n".encode())
            assert control.recv(1000).strip() == b""


@contextmanager
def cluster(directory: Path, name: str) -> Iterator[Cluster]:
    organization = Organization(name, uuid4(), f"token-of-{name}")
    directory.mkdir()
    with embedded_postgres(directory) as dsn:
        asyncio.run(migrate(dsn))
        asyncio.run(import_records(dsn, organization.lines()))
        with running_service(directory, dsn) as service:
            service.wait_until("/readyz", 200)
            yield Cluster(dsn, service, organization)


@contextmanager
def router(directory: Path, clusters: dict[str, Cluster]) -> Iterator[Router]:
    """Run HAProxy with the page's configuration, but for addresses and paths."""
    (configuration,) = re.findall(r"```haproxy\n(.*?)```", PAGE.read_text(), re.DOTALL)
    port, entries, control = free_port(), directory / "clusters.map", directory / "control"
    entries.write_text("".join(f"{each.organization.digest} {name}\n" for name, each in clusters.items()))
    for original, replacement in {
        ":8080": f"127.0.0.1:{port}",
        "/etc/haproxy/clusters.map": str(entries),
        "/run/haproxy/control": str(control),
        **{f"service-{name}.internal:80": each.service.api.removeprefix("http://") for name, each in clusters.items()},
    }.items():
        assert original in configuration, original
        configuration = configuration.replace(original, replacement)
    path = directory / "haproxy.cfg"
    path.write_text(configuration)
    with running_proxy([find("haproxy"), "-db", "-f", str(path)], directory, port):
        yield Router(f"http://127.0.0.1:{port}", _listener(port), entries, control)


def _listener(port: int) -> int:
    listening = (each for each in psutil.net_connections("tcp4") if each.status == "LISTEN")
    (pid,) = {each.pid for each in listening if port in each.laddr}
    assert pid
    return pid


@pytest.fixture(scope="module", name="clusters")
def _clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Cluster]]:
    find("haproxy")  # or skip before anything is started
    directory = tmp_path_factory.mktemp("clusters")
    with cluster(directory / "a", "a") as first, cluster(directory / "b", "b") as second:
        yield {"a": first, "b": second}


@pytest.fixture(name="routed")
def _routed(clusters: dict[str, Cluster], tmp_path: Path) -> Iterator[Router]:
    with router(tmp_path, clusters) as running:
        yield running


def names(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [pipeline["name"] for pipeline in answer.json()["pipelines"]]


@pytest.mark.slow
def test_token_reaches_the_cluster_of_its_organization_alone(clusters: dict[str, Cluster], routed: Router) -> None:
    for name, own in clusters.items():
        (other,) = [each for each in clusters.values() if each is not own]
        token, before = own.organization.token, own.answered(own.organization.token)

        assert names(routed.get(token)) == [f"pipeline of {name}"]
        assert routed.get(token, "jobs/job-1").status_code == 200
        assert own.answered(token) == before + 2
        elsewhere = requests.get(
            f"{other.service.api}/api/v1/flow/pipeline", headers=own.organization.headers, timeout=10
        )
        assert elsewhere.status_code == 401


@pytest.mark.slow
@pytest.mark.parametrize("token", [None, "unknown"])
def test_token_that_is_in_no_directory_is_answered_by_the_service(routed: Router, token: str | None) -> None:
    answer = routed.get(token)

    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")


@pytest.mark.slow
def test_token_sent_to_another_cluster_is_refused(clusters: dict[str, Cluster], routed: Router) -> None:
    """The control: it is the directory that finds the cluster."""
    routed.place(clusters["a"].organization, "b")

    assert routed.get(clusters["a"].organization.token).status_code == 401


@pytest.mark.slow
def test_organization_is_moved_with_its_tokens(clusters: dict[str, Cluster], routed: Router) -> None:
    moved, exported = clusters["a"].organization, io.BytesIO()
    before = names(routed.get(moved.token))

    routed.place(moved, "moving")
    meanwhile = routed.get(moved.token)
    asyncio.run(export_records(clusters["a"].dsn, exported, moved.id, with_tokens=True))
    exported.seek(0)
    asyncio.run(import_records(clusters["b"].dsn, exported))
    routed.place(moved, "b")

    assert (meanwhile.status_code, meanwhile.headers["Retry-After"]) == (503, "5")
    assert names(routed.get(moved.token)) == before
    assert clusters["b"].answered(moved.token) == 1
    assert names(routed.get(clusters["b"].organization.token)) == ["pipeline of b"]


@pytest.mark.slow
def test_router_takes_less_than_the_service(clusters: dict[str, Cluster], routed: Router) -> None:
    """Print what a request costs in the router, beside the service; for the page."""
    own, service = clusters["b"].organization, clusters["b"].service
    with requests.Session() as session:
        session.headers.update(own.headers)
        before = cpu_seconds(routed.pid), cpu_seconds(service.process.pid)
        for _ in range(REQUESTS):
            assert session.get(f"{routed.url}/api/v1/flow/pipeline", timeout=10).status_code == 200
        after = cpu_seconds(routed.pid), cpu_seconds(service.process.pid)

    router_cost, service_cost = ((end - begin) / REQUESTS * 1e6 for begin, end in zip(before, after, strict=True))
    print(f"a request takes {router_cost:.0f} µs of the router, {service_cost:.0f} µs of the service")
