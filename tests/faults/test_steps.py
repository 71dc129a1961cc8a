"""One kind of write, with a fault at each of its steps; and the build without transactions is caught half done."""

from pathlib import Path

from service.http.routes import ROUTES
from tests.faults.controls import without_transactions
from tests.faults.harness.write_kinds import KINDS
from tests.faults.scenarios import steps

FORGOTTEN_JOB = tuple(kind for kind in KINDS if kind.method == "DELETE" and "jobs" in kind.path)


def test_there_is_a_kind_for_each_call_that_changes_something() -> None:
    kinds = {(kind.method, kind.path) for kind in KINDS}

    assert kinds == {(route.method, route.path) for route in ROUTES if not route.only_reads}


def test_a_write_is_wholly_there_or_not_at_all(tmp_path: Path) -> None:
    seen = steps.run_kinds(steps.SERVICE, (steps.CUT, steps.KILLED), tmp_path, FORGOTTEN_JOB)

    assert seen.broken == ()
    assert seen.times > 20


def test_a_write_that_is_half_done_is_found(tmp_path: Path) -> None:
    seen = steps.run_kinds(without_transactions.MODULE, (steps.CUT,), tmp_path, FORGOTTEN_JOB)

    assert any("half done" in breach for breach in seen.broken)
