"""The short form of `make faults FAULTS=isolation`, and its control."""

import re
from pathlib import Path

from tests.faults.controls import without_tenant_filter
from tests.faults.scenarios.isolation import FAULTS, call_across_tenants

(ISOLATION,) = FAULTS


def test_organizations_neither_see_nor_change_each_other(tmp_path: Path) -> None:
    outcome = call_across_tenants(tmp_path, 300)

    assert outcome.violations == ()
    assert outcome.times >= 600


def test_a_control_without_the_tenant_filter_in_one_statement_is_detected(tmp_path: Path) -> None:
    violations = call_across_tenants(tmp_path, 100, without_tenant_filter.MODULE).violations

    assert any(re.search(ISOLATION.shows, each) for each in violations), violations[:5]
