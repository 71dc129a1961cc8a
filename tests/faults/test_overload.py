"""The short forms of `make faults FAULTS="overload greedy"`, and their controls."""

from functools import partial
from pathlib import Path

import pytest

from tests.faults.harness.load_generator import ANSWER_TIMEOUT
from tests.faults.scenarios.overload import (
    NO_ADMISSION_CONTROL,
    NO_RATE_LIMIT,
    RATE_LIMITED,
    SETTINGS,
    Findings,
    Scenario,
    greedy_caller,
    overload,
)
from tests.process.running import running_service


async def run_once(
    scenario: Scenario, settings: dict[str, str], directory: Path, dsn: str, service_dsn: str
) -> Findings:
    with running_service(directory, service_dsn, **settings) as service:
        return await scenario(service, dsn, 1, 1.5)


async def test_overload_is_answered_or_refused_in_time(dsn: str, service_dsn: str, tmp_path: Path) -> None:
    assert (await run_once(overload, SETTINGS, tmp_path, dsn, service_dsn)).violations == []


async def test_a_greedy_caller_does_not_starve_others(dsn: str, service_dsn: str, tmp_path: Path) -> None:
    """The others get every answer, however late a busy machine is with it."""
    settings = RATE_LIMITED | {"REQUEST_TIMEOUT": f"{ANSWER_TIMEOUT}"}
    patient = partial(greedy_caller, tolerance=ANSWER_TIMEOUT)

    assert (await run_once(patient, settings, tmp_path, dsn, service_dsn)).violations == []


@pytest.mark.parametrize(
    ("scenario", "settings", "shown"),
    [
        (overload, NO_ADMISSION_CONTROL, "nothing was refused"),
        (greedy_caller, NO_RATE_LIMIT, "answered, allowed are"),
    ],
)
@pytest.mark.slow
async def test_a_control_without_limits_is_detected(
    scenario: Scenario, settings: dict[str, str], shown: str, dsn: str, service_dsn: str, tmp_path: Path
) -> None:
    violations = (await run_once(scenario, settings, tmp_path, dsn, service_dsn)).violations

    assert any(shown in each for each in violations), violations
