"""A database that stands still, for a moment; and the service without deadlines is caught waiting for it."""

from pathlib import Path

from tests.faults.controls.without_outage_protection import DEADLINES, MEANING
from tests.faults.harness import outage
from tests.faults.scenarios import database_outage


def test_the_database_goes_away_and_comes_back(tmp_path: Path) -> None:
    assert outage.run(database_outage.Frozen, "", tmp_path, 1).broken == ()


def test_requests_that_do_not_end_are_found(tmp_path: Path) -> None:
    broken = outage.run(database_outage.Frozen, DEADLINES, tmp_path, 1).broken

    assert any("a request took" in breach for breach in broken)


def test_wrong_answers_are_found(tmp_path: Path) -> None:
    broken = outage.run(database_outage.Terminated, MEANING, tmp_path, 1).broken

    assert any("a request ended with 500" in breach for breach in broken)
