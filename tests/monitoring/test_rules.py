"""The consistency of metrics, dashboard, rules, their tests and the runbook."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import World
from tests.grpc.calling import Rpcs
from tests.grpc.test_process import channel_to
from tests.monitoring.queries import (
    DIRECTORY,
    alerts,
    dashboard,
    dashboard_queries,
    label_names,
    metric_names,
    rules,
)
from tests.process.running import ROOT, Service, running_service

LIST = "/api/v1/flow/pipeline"
EXPRESSIONS = {
    *(expression for _, expression in dashboard_queries()),
    *(str(rule["expr"]) for rule in rules()),
    *re.findall(r"```promql\n(.*?)```", (ROOT / "deploy" / "RUNBOOK.md").read_text(), re.DOTALL),
}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}
OF_PROMETHEUS = {"job", "instance", "le"}


def test_query_parsing_finds_metrics_and_labels() -> None:
    expression = 'sum by (a, le) (rate(x_total{b="c", d!~"e.+"}[5m])) / on (f) group_left (g) max(job:y:z1h) > 2 * 0.5'

    assert metric_names(expression) == {"x_total", "job:y:z1h"}
    assert label_names(expression) == {"a", "le", "b", "d", "f", "g"}


async def test_metrics_and_labels_of_all_queries_exist(tmp_path: Path, service_dsn: str, world: World) -> None:
    ada = await world.user()

    def call(service: Service) -> str:
        requests.get(service.api + LIST, headers=ada.headers, timeout=5)
        requests.get(service.api + LIST, timeout=5)
        return requests.get(service.operations + "/metrics", timeout=5).text

    with running_service(tmp_path, service_dsn, GRPC_PORT="0") as service:
        async with channel_to(service) as channel:
            await Rpcs(channel)("GetMe", token=ada.token)
        text = await asyncio.to_thread(call, service)
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    names, labels = {sample.name for sample in samples}, {label for sample in samples for label in sample.labels}

    asked = set[str]().union(*map(metric_names, EXPRESSIONS))
    assert len(asked) > 30
    assert asked - names - RECORDED == set()
    assert set[str]().union(*map(label_names, EXPRESSIONS)) - labels - OF_PROMETHEUS == set()


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_alert_links_to_its_section_of_the_runbook(alert: dict[str, Any]) -> None:
    path, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    sections = (ROOT / path).read_text().split("\n## ")[1:]

    (section,) = [section for section in sections if section.partition("\n")[0] == alert["alert"]]
    assert anchor == alert["alert"].lower()
    word = {"page": "*Page.*", "ticket": "*Ticket.*"}[alert["labels"]["severity"]]
    assert section.partition("\n\n")[2].startswith(word)
    assert "**Do**" in section
    assert "**See**" in section


def test_runbook_sections_are_those_of_the_alerts() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "deploy" / "RUNBOOK.md").read_text(), re.MULTILINE)

    assert headings == [alert["alert"] for alert in alerts()]


def test_alerts_are_all_tested_to_fire_and_to_be_silent() -> None:
    expected = [
        (case["alertname"], bool(case["exp_alerts"]))
        for path in DIRECTORY.glob("*_test.yaml")
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]

    assert {*expected} == {(alert["alert"], fires) for alert in alerts() for fires in (True, False)}


def test_dashboard_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    identifiers = [panel["id"] for panel in dashboard()["panels"]]
    assert len({*identifiers}) == len(identifiers)
