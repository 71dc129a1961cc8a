"""The short form of `make freshness`, and its control: two replicas, and a third one that never revalidates."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.repositories import job_updates, tokens
from tests.authentication.oidc.provider import IdentityProvider, provider_in_a_thread
from tests.freshness.identities import provider_settings
from tests.freshness.pairs import Plan, run_pairs
from tests.freshness.provisioned import PROVISIONED_KINDS
from tests.freshness.state import IDENTITY_KINDS, KINDS
from tests.freshness.without_revalidation import MODULE, unchecked
from tests.freshness.workers import Result
from tests.process.running import Service, running_service

WORKERS = 8


@pytest.fixture(scope="module", name="provider")
def _provider() -> Iterator[IdentityProvider]:
    with provider_in_a_thread() as running:
        yield running


@pytest.fixture(scope="module", name="said")
def _said(provider: IdentityProvider) -> dict[str, str]:
    """Return the settings of each replica."""
    return provider_settings(provider, WORKERS)


@pytest.fixture(scope="module", name="writer")
def _writer(service_dsn: str, tmp_path_factory: pytest.TempPathFactory, said: dict[str, str]) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("writer"), service_dsn, **said, SCIM="true") as running:
        running.wait_until("/readyz", 200)
        yield running


async def run_and_check(plan: Plan, dsn: str, writer: Service, reader: Service) -> Result:
    reader.wait_until("/readyz", 200)
    result = await run_pairs(plan, dsn, writer, reader, asyncio.Event(), lambda _: None)
    assert result.failures == []
    assert result.total >= plan.pairs * 0.9  # an expiry that came too early does not count
    return result


async def test_another_replica_reflects_each_change(
    dsn: str, service_dsn: str, writer: Service, tmp_path: Path, said: dict[str, str], provider: IdentityProvider
) -> None:
    with running_service(tmp_path, service_dsn, **said) as reader:
        result = await run_and_check(Plan(200, WORKERS), dsn, writer, reader)
        of_identities = await run_and_check(Plan(100, WORKERS, provider=provider), dsn, writer, reader)
        provisioned = await run_and_check(Plan(56, WORKERS, 1, provider, provisioned=True), dsn, writer, reader)

    assert of_identities.total_stale == 0, of_identities.examples
    assert of_identities.from_memory > 10
    assert of_identities.outdated > 20
    assert len([kind for kind in IDENTITY_KINDS if of_identities.pairs[kind]]) >= len(IDENTITY_KINDS) - 6
    assert provisioned.total_stale == 0, provisioned.examples
    by_scim = [kind for kind in PROVISIONED_KINDS if "SCIM" in kind]
    assert len([kind for kind in by_scim if provisioned.pairs[kind]]) >= len(by_scim) - 3
    assert result.total_stale == 0, result.examples
    assert result.from_memory > 30
    assert result.outdated > 50
    assert len([kind for kind in KINDS if result.pairs[kind]]) >= len(KINDS) - 3


@pytest.mark.slow
async def test_a_control_without_revalidation_is_detected(
    dsn: str, service_dsn: str, writer: Service, tmp_path: Path, said: dict[str, str], provider: IdentityProvider
) -> None:
    with running_service(tmp_path, service_dsn, module=MODULE, **said) as reader:
        result = await run_and_check(Plan(60, WORKERS), dsn, writer, reader)
        of_identities = await run_and_check(Plan(60, WORKERS, provider=provider), dsn, writer, reader)
        provisioned = await run_and_check(Plan(24, WORKERS, 1, provider, provisioned=True), dsn, writer, reader)

    assert result.total_stale > 20
    assert of_identities.total_stale > 20
    assert sum(stale for kind, stale in provisioned.stale.items() if "SCIM" in kind) > 5


def test_update_of_the_control_has_no_preconditions() -> None:
    for statement in (job_updates.UPDATE_ONE, job_updates.UPDATE_EACH):
        assert "f.actual_revisions" not in unchecked(statement)
        assert tokens.ACTIVE not in unchecked(statement)
