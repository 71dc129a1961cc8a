"""Have a real Prometheus scrape a service under load, and evaluate every query of the dashboard and the rules.

    python -m tests.monitoring PROMETHEUS        # the program; `make scrape` has it

Fails if a query fails, if a panel that must show something is empty, or if the loss of the database is no alert.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson
import requests
import yaml

from service.database.migrations import migrate
from service.database.sql_files import sql_directory
from service.embedded.cluster import embedded_postgres
from service.transfer.importing import import_records
from tests.conftest import FAST
from tests.monitoring.queries import DIRECTORY, dashboard_queries, rules
from tests.process.running import Service, environment, free_port, running_service, wait_for

LOAD_SECONDS = 25
JOB = "f403399d-7ac7-4285-bb06-f7ad82ddbea2"
PIPELINES = ["e05cc5f7-b199-49a6-b1bc-f17dc5247e0c", "03f4dc97-1245-452d-9d7b-17f8b86473b8"]
"""Resources of sql/demo.ndjson."""
MAY_BE_EMPTY = ("Starts",)
"""Panels of rare events."""


def main(program: str) -> int:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with embedded_postgres(directory / "postgres", options=FAST) as dsn:
            token = prepared(dsn)
            service = stack.enter_context(running_service(directory, dsn))
            service.wait_until("/readyz", 200)
            prometheus = stack.enter_context(running_prometheus(program, directory, service))
            loaded(service, token)
            failures = [*unanswered(prometheus), *broken_rules(prometheus)]
        # The database has gone.
        pending = 'ALERTS{alertname="FlowPipelinesDatabaseLost", alertstate="pending"}'
        wait_for(lambda: bool(ask(prometheus, pending)), 15, "the alert of the lost database")
        print("FlowPipelinesDatabaseLost is pending once the database has gone.")
    for failure in failures:
        print("FAILED", failure)
    return bool(failures)


def prepared(dsn: str) -> str:
    """Migrate, import the demo's data, and return a new token."""

    async def prepare() -> None:
        await migrate(dsn)
        with (sql_directory() / "demo.ndjson").open("rb") as lines:
            await import_records(dsn, lines)

    asyncio.run(prepare())
    command = [sys.executable, "-m", "service", "token", "create", "ada", "--json"]
    made = subprocess.check_output(command, env=environment(DATABASE_URL=dsn))
    return str(orjson.loads(made)["secret"])


@contextmanager
def running_prometheus(program: str, directory: Path, service: Service) -> Iterator[str]:
    """Run Prometheus with the example's configuration, but for the address and interval of its scrapes."""
    configuration = yaml.safe_load((DIRECTORY / "prometheus.yaml").read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(DIRECTORY / "rules.yaml")]
    (of_service,) = configuration["scrape_configs"]
    of_service["static_configs"] = [{"targets": [service.operations.removeprefix("http://")]}]
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    address = f"127.0.0.1:{free_port()}"
    options = {
        "config.file": directory / "prometheus.yaml",
        "storage.tsdb.path": directory / "data",
        "web.listen-address": address,
    }
    with (directory / "prometheus.log").open("wb") as log:
        command = [program, *(f"--{name}={value}" for name, value in options.items())]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: answers(f"http://{address}/-/ready"), 30, "Prometheus")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=2).ok
    except requests.ConnectionError:
        return False


def loaded(service: Service, token: str) -> None:
    """Send some of every kind of request: cached and uncached lists, updates, and rejected ones."""
    end, session, rounds = time.monotonic() + LOAD_SECONDS, requests.Session(), 0
    headers = {"Authorization": f"Bearer {token}"}
    while time.monotonic() < end:
        rounds += 1
        for _ in range(10):
            session.get(f"{service.api}/api/v1/flow/pipeline", headers=headers, timeout=10)
        body = {"job_id": JOB, "pipeline_ids": PIPELINES[: rounds % 3]}
        session.post(f"{service.api}/api/v1/jobs/pipelines", headers=headers, json=body, timeout=10)
        session.patch(
            f"{service.api}/api/v1/flow/pipeline/{PIPELINES[0]}",
            headers=headers,
            json={"name": f"udit {rounds}"},
            timeout=10,
        )
        session.get(f"{service.api}/api/v1/flow/pipeline", timeout=10)
        session.get(f"{service.api}/nowhere", headers=headers, timeout=10)
    print(f"{rounds * 14} requests in {LOAD_SECONDS} s")


def ask(prometheus: str, query: str) -> list[dict[str, Any]]:
    answer = requests.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=30).json()
    assert answer["status"] == "success", f"{query}: {answer.get('error')}"
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def unanswered(prometheus: str) -> Iterator[str]:
    """Yield the dashboard's queries that failed, or had an empty result."""
    for title, query in dashboard_queries():
        try:
            found = ask(prometheus, query)
        except AssertionError as error:
            yield str(error)
            continue
        numbers = [series["value"][1] for series in found]
        print(f"{title:40} {len(found):3} series, such as {', '.join(numbers[:3])}")
        if title not in MAY_BE_EMPTY and (not numbers or set(numbers) == {"NaN"}):
            yield f"{title} shows nothing: {query}"


def broken_rules(prometheus: str) -> Iterator[str]:
    """Yield the rules that Prometheus could not evaluate, and alerts of a healthy service."""
    groups = requests.get(f"{prometheus}/api/v1/rules", timeout=30).json()["data"]["groups"]
    evaluated = [rule for group in groups for rule in group["rules"]]
    print(f"{len(evaluated)} rules evaluated")
    if len(evaluated) != len(rules()):
        yield f"{len(rules())} rules were given, {len(evaluated)} evaluated"
    for rule in evaluated:
        if rule["health"] != "ok":
            yield f"{rule['name']}: {rule.get('lastError')}"
        if rule.get("state", "inactive") != "inactive":
            yield f"{rule['name']} is {rule['state']} although all is well"
        if rule["type"] == "recording" and not ask(prometheus, rule["name"]):
            yield f"{rule['name']} has no value"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
