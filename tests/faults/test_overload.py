"""The short forms of `make faults FAULTS="overload greedy"`, and their controls."""

from pathlib import Path

import pytest

from tests.faults.scenarios.overload import (
    LIMITED,
    NO_MOST,
    SETTINGS,
    UNLIMITED,
    Found,
    Scenario,
    one_for_all,
    overload,
)
from tests.process.running import running_service


async def found(scenario: Scenario, settings: dict[str, str], directory: Path, dsn: str, service_dsn: str) -> Found:
    with running_service(directory, service_dsn, **settings) as service:
        return await scenario(service, dsn, 1, 1.5)


async def test_in_overload_what_is_taken_on_is_answered_and_the_rest_refused(
    dsn: str, service_dsn: str, tmp_path: Path
) -> None:
    assert (await found(overload, SETTINGS, tmp_path, dsn, service_dsn)).broken == []


async def test_one_caller_does_not_starve_the_others(dsn: str, service_dsn: str, tmp_path: Path) -> None:
    assert (await found(one_for_all, LIMITED, tmp_path, dsn, service_dsn)).broken == []


@pytest.mark.parametrize(("scenario", "settings"), [(overload, NO_MOST), (one_for_all, UNLIMITED)])
async def test_a_service_without_limits_is_found_out(
    scenario: Scenario, settings: dict[str, str], dsn: str, service_dsn: str, tmp_path: Path
) -> None:
    """The control: it shows that the tests above can fail."""
    assert (await found(scenario, settings, tmp_path, dsn, service_dsn)).broken != []
