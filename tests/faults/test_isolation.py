"""The short form of tests/faults/isolation.py, and its control."""

from pathlib import Path

from tests.faults.controls import without_tenant_filter
from tests.faults.scenarios.isolation import between


def test_nothing_of_the_other_organization_s_appears_or_changes(tmp_path: Path) -> None:
    seen = between(tmp_path, 300)

    assert seen.broken == ()
    assert seen.times >= 600


def test_a_statement_that_forgets_the_organization_is_found_out(tmp_path: Path) -> None:
    assert between(tmp_path, 100, without_tenant_filter.MODULE).broken
