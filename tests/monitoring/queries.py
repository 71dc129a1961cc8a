"""The queries of the dashboard and the rules, and the metrics and labels in them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml

DIRECTORY = Path(__file__).parents[2] / "deploy" / "monitoring"

_AGGREGATED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTED = re.compile(r"\{([^}]*)\}")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_OPERATORS = {"and", "or", "unless", "bool", "offset"}


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads((DIRECTORY / "dashboard.json").read_bytes())
    return loaded


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((DIRECTORY / "rules.yaml").read_text())
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def dashboard_queries() -> Iterator[tuple[str, str]]:
    """Yield each query with the title of its panel, and with values for the dashboard's variables."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], filled_in(target["expr"])
    for annotation in dashboard()["annotations"]["list"]:
        yield annotation["name"], filled_in(annotation["expr"])


def filled_in(expression: str) -> str:
    return expression.replace("$__rate_interval", "15s").replace("$job", "flow-pipelines").replace("$instance", ".*")


def metric_names(expression: str) -> set[str]:
    """Return the metrics in a query: the names that are no label, string, function or operator."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]', "", expression)
    bare = _SELECTED.sub("", _AGGREGATED.sub("", bare))
    functions = re.findall(r"([a-z_]+)\s*\(", bare)
    by_word = re.findall(r"([a-z_]+)\s+\(", bare)  # `sum by (…) (…)`, of which `by (…)` has gone
    return {*_NAME.findall(bare)} - {*functions, *by_word} - _OPERATORS


def label_names(expression: str) -> set[str]:
    """Return the labels in a query."""
    without_values = re.sub(r'"[^"]*"', "", expression)
    selected = [name for selector in _SELECTED.findall(without_values) for name in _NAME.findall(selector)]
    aggregated = [name for labels in _AGGREGATED.findall(without_values) for name in _NAME.findall(labels)]
    return {*selected, *aggregated}
