"""The short form of `make freshness`, and its control: two processes, and one more that checks nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.repositories import tokens
from tests.freshness.pairs import Plan, Result, prove
from tests.freshness.state import KINDS
from tests.freshness.without_revalidation import MODULE, UNPROVED
from tests.process.running import Service, running_service


@pytest.fixture(scope="module", name="writes")
def _writes(service_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("writes"), service_dsn) as running:
        running.wait_until("/readyz", 200)
        yield running


async def proved(pairs: int, dsn: str, writes: Service, reads: Service) -> Result:
    reads.wait_until("/readyz", 200)
    result = await prove(Plan(pairs, workers=8), dsn, writes, reads, asyncio.Event(), lambda _: None)
    assert result.failures == []
    assert result.total >= pairs * 0.9  # an expiry that came too early does not count
    return result


async def test_no_change_is_missed_by_another_replica(
    dsn: str, service_dsn: str, writes: Service, tmp_path: Path
) -> None:
    with running_service(tmp_path, service_dsn) as reads:
        result = await proved(200, dsn, writes, reads)

    assert result.total_stale == 0, result.examples
    assert result.from_memory > 30
    assert result.outdated > 50
    assert len([kind for kind in KINDS if result.pairs[kind]]) >= len(KINDS) - 3


async def test_a_replica_that_checks_nothing_is_found_out(
    dsn: str, service_dsn: str, writes: Service, tmp_path: Path
) -> None:
    """The control: it shows that the test above can fail."""
    with running_service(tmp_path, service_dsn, module=MODULE) as reads:
        result = await proved(60, dsn, writes, reads)

    assert result.total_stale > 20


def test_the_control_proves_no_update_either() -> None:
    assert "f.actual_revisions" not in UNPROVED
    assert tokens.ACTIVE not in UNPROVED
