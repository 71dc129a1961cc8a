"""The short form of the database outages, with a frozen server, and two of their controls."""

from pathlib import Path

import pytest

from tests.faults.controls.without_outage_protection import DEADLINES, ERROR_MAPPING
from tests.faults.harness import outage
from tests.faults.scenarios import database_outage


def test_service_survives_a_frozen_database(tmp_path: Path) -> None:
    assert outage.run(database_outage.ServerFrozen, "", tmp_path, 1).violations == ()


@pytest.mark.slow
def test_a_control_without_deadlines_is_detected(tmp_path: Path) -> None:
    violations = outage.run(database_outage.ServerFrozen, DEADLINES, tmp_path, 1).violations

    assert any("a request took" in violation for violation in violations)


def test_a_control_without_error_mapping_is_detected(tmp_path: Path) -> None:
    violations = outage.run(database_outage.Terminated, ERROR_MAPPING, tmp_path, 1).violations

    assert any("a request ended with 500" in violation for violation in violations)
