"""The examples that hypothesis makes in any test."""

from hypothesis import HealthCheck, settings


def test_examples_may_take_any_time() -> None:
    assert settings().deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check
