"""The short form of `make faults FAULTS=identity-provider`: a slow one, and the control."""

from pathlib import Path

from tests.faults.controls import without_provider_guard
from tests.faults.scenarios.identity_provider import SHORT, fail_in_each_way


def test_slow_provider_holds_up_nothing_but_its_own_tokens(dsn: str, service_dsn: str, tmp_path: Path) -> None:
    outcome = fail_in_each_way(tmp_path, dsn, service_dsn, SHORT, whole=False)

    assert outcome.violations == ()


def test_a_control_without_bounds_is_detected(dsn: str, service_dsn: str, tmp_path: Path) -> None:
    module = without_provider_guard.MODULE
    violations = fail_in_each_way(tmp_path, dsn, service_dsn, SHORT, module, whole=False).violations

    assert "slow: a token of the service's own was answered 503" in violations
