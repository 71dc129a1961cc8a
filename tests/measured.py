"""What coverage measures in the processes that tests start: the same files, without a look for those that were not run.

For the sources that pyproject.toml names, coverage looks for files that were not run, at the end of each process, which
takes a third of a second. That the process of the tests does so is enough for the report.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from coverage import Coverage
from coverage.config import CoverageConfig

MEASURING: Final = "COVERAGE_PROCESS_CONFIG"
"""The variable by which coverage measures the processes that a process starts."""


def look_for_no_files() -> None:
    """Have the processes that this one starts measure what runs, and look for nothing else."""
    if MEASURING not in os.environ:
        return
    config = CoverageConfig.deserialize(os.environ[MEASURING])
    config.run_include = [f"{Path(source).resolve()}/*" for source in config.source or ()]
    config.source = None
    os.environ[MEASURING] = config.serialize()


@contextmanager
def measuring(told: str) -> Iterator[None]:
    """Measure what this process runs, as the variable `MEASURING` of it tells."""
    coverage = Coverage(config_file=f":data:{told}", data_suffix=True)
    coverage.set_option("run:patch", [])
    coverage.start()
    yield
    coverage.stop()
    coverage.save()
