import json
from typing import Any

import pytest

from tests.vulnerabilities import Verdict, judge

CLEAN = {"name": "aiohttp", "version": "3.14.5", "vulns": []}
VULNERABLE = {
    "name": "idna",
    "version": "3.20",
    "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["3.21"], "aliases": [], "description": ""}],
}
SKIPPED = {"name": "orjson", "skip_reason": "Dependency not found on PyPI and could not be audited: orjson (3.13.0)"}


def judged(*dependencies: dict[str, Any]) -> Verdict:
    return judge(json.dumps({"dependencies": dependencies, "fixes": []}), "")


def test_an_audit_that_finds_nothing_succeeds() -> None:
    assert judged(CLEAN) == Verdict(0, "No vulnerability is known of 1 packages.")


def test_an_audit_that_finds_a_vulnerability_fails_and_names_it() -> None:
    assert judged(CLEAN, VULNERABLE, SKIPPED) == Verdict(1, "VULNERABLE:\nidna 3.20: PYSEC-2026-1, fixed in 3.21")


def test_an_audit_without_any_data_succeeds_loudly() -> None:
    verdict = judged(SKIPPED)

    assert verdict.status == 0
    assert "NOT AUDITED" in verdict.message


def test_an_audit_without_data_on_one_package_fails_and_names_it() -> None:
    verdict = judged(CLEAN, SKIPPED)

    assert verdict.status == 1
    assert "orjson (3.13.0)" in verdict.message


@pytest.mark.parametrize(
    "errors",
    [
        "Traceback ...\nrequests.exceptions.ProxyError: HTTPSConnectionPool(host='pypi.org', port=443): ...",
        "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed",
        "Traceback ...\npip_audit._service.interface.ServiceError",
    ],
)
def test_an_audit_without_a_network_succeeds_loudly(errors: str) -> None:
    verdict = judge("", errors)

    assert verdict.status == 0
    assert "NOT AUDITED" in verdict.message


def test_an_audit_that_breaks_otherwise_fails() -> None:
    errors = "ERROR:pip_audit._cli:requirement aiohttp==3.14.5 does not contain a hash"

    assert judge("", errors) == Verdict(2, errors)
