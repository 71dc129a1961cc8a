"""The short form of `make faults FAULTS=steps` with one kind of write, and its control."""

from pathlib import Path

import pytest

from service.http.routes import ROUTES
from tests.faults.controls import without_transactions
from tests.faults.harness.write_kinds import WRITE_KINDS
from tests.faults.scenarios import steps

DELETE_JOB = tuple(kind for kind in WRITE_KINDS if (kind.method, kind.path) == ("DELETE", "/api/v1/jobs/{job_id}"))


def test_write_kinds_cover_each_route_that_writes() -> None:
    kinds = {(kind.method, kind.path) for kind in WRITE_KINDS}

    assert kinds == {(route.method, route.path) for route in ROUTES if not route.only_reads}


@pytest.mark.parametrize("fault", [steps.CUT, pytest.param(steps.KILLED, marks=pytest.mark.slow)])
def test_a_write_with_a_fault_at_any_round_trip_is_atomic(tmp_path: Path, fault: str) -> None:
    outcome = steps.run_kinds(steps.SERVICE, (fault,), tmp_path, DELETE_JOB)

    assert outcome.violations == ()
    assert outcome.times > 10


@pytest.mark.slow
def test_a_control_without_transactions_is_detected(tmp_path: Path) -> None:
    outcome = steps.run_kinds(without_transactions.MODULE, (steps.CUT,), tmp_path, DELETE_JOB)

    assert any("half done" in violation for violation in outcome.violations)
