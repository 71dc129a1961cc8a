"""The schema of log lines in the reference, held against the code; tests of processes hold their lines against it."""

import re
from typing import Any

import pytest
from jsonschema import ValidationError

from service.telemetry.logs import READING_ORDER
from tests.process.running import LINES, ROOT, SCHEMA, lines_of

LINE = {"timestamp": "2026-11-26T12:00:00.000001Z", "level": "info", "event": "request", "method": "GET"}
REQUEST = {**LINE, "route": "unmatched", "status": 404, "code": "NOT_FOUND", "client": "::1", "request_id": "a"}


def fields_of(event: str) -> dict[str, Any]:
    (found,) = (each["then"] for each in SCHEMA["allOf"] if each["if"]["properties"]["event"]["const"] == event)
    properties: dict[str, Any] = found["properties"]
    return properties


def test_events_of_the_schema_are_those_of_the_code() -> None:
    text = "".join(path.read_text() for path in (ROOT / "service").rglob("*.py"))
    levels = "debug|info|warning|error|exception|critical"
    found = set(re.findall(rf"\b(?:log|get_logger\(\))\.(?:{levels})\(\s*\"(\w+)\"", text))
    found |= {"library_message", "log_lines_dropped", "stream", "waited"}

    assert {*SCHEMA["properties"]["event"]["enum"]} == found
    assert sorted(each["if"]["properties"]["event"]["const"] for each in SCHEMA["allOf"]) == sorted(found)


def test_line_of_a_request_is_allowed() -> None:
    LINES.validate(REQUEST)
    lines_of("request").validate(REQUEST)


@pytest.mark.parametrize(
    "change",
    [
        {"surplus": 1},
        {"status": "404"},
        {"client": 1},
        {"user_agent": "x" * 2001},
        {"token_id": "no uuid"},
        {"event": "unheard_of"},
        {"timestamp": "2026-11-26T12:00:00+00:00"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_line_that_is_otherwise_is_refused(change: dict[str, object]) -> None:
    """The control."""
    line = REQUEST | change
    for lines in (LINES, lines_of(str(line["event"]))):
        with pytest.raises(ValidationError):
            lines.validate(line)


def test_fields_of_a_request_are_in_the_page() -> None:
    page = (ROOT / "docs/reference/log-lines.md").read_text()

    assert [name for name in fields_of("request") if f"`{name}`" not in page] == []


def test_reading_order_names_fields_that_are_there() -> None:
    known = {name for event in SCHEMA["properties"]["event"]["enum"] for name in fields_of(event)}

    assert {*READING_ORDER} - known == set()
