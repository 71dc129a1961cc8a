"""A short run of schemathesis against a running service.

A longer one:

    schemathesis run http://127.0.0.1:8080/openapi.json -H "Authorization: Bearer $TOKEN" --max-examples 2000 \\
        --exclude-checks positive_data_acceptance

The one check is excluded as a well-formed request may still name a page, a tag or a state that doesn't exist.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.measured import MEASURING
from tests.process.test_demo import demo

CONFIGURATION: Final = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 413, 414, 415, 429, 431, "5xx"]

[[operations]]
include-path = "/api/v1/jobs/pipelines/batch"
checks.negative_data_rejection.enabled = false
"""
"""A malformed request may be too long as well; a malformed update of a batch has a verdict of its own, in a 200."""


@pytest.mark.parametrize("phases", ["examples,coverage", pytest.param("fuzzing", marks=pytest.mark.slow)])
def test_answers_to_fuzzed_requests_conform_to_the_document(tmp_path: Path, empty_dsn: str, phases: str) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    with demo(tmp_path, DATABASE_URL=empty_dsn) as (_, printed):
        token = re.search(r"fp_\w+", printed)
        address = re.search(r"http://[\d.:]+", printed)
        assert token
        assert address
        fuzzed = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{address[0]}/openapi.json"),
                *("-H", f"Authorization: Bearer {token[0]}", "--max-examples", "10", "--seed", "1", "--no-color"),
                *("--phases", phases, "--exclude-checks", "positive_data_acceptance"),
            ],
            cwd=tmp_path,
            env=os.environ | {MEASURING: ""},  # schemathesis runs nothing of the service
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    assert fuzzed.returncode == 0, fuzzed.stdout[-8000:]
    tested = re.search(r"(\d+) generated, (\d+) passed", fuzzed.stdout)
    assert tested
    assert int(tested[2]) > 300
