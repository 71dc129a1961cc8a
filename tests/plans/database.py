"""The database on which statements are planned: migrated, filled with synthetic data, vacuumed and analyzed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final
from uuid import UUID

import asyncpg

from service.database.migrations import migrate
from service.transfer.importing import import_records

ROOT: Final = Path(__file__).parents[2]
SERVER: Final = (
    "-c",
    "fsync=off",
    "-c",
    "full_page_writes=off",
    "-c",
    "shared_buffers=512MB",
    "-c",
    "max_wal_size=8GB",
)
"""Options of the server for the large set. The planner's settings are the defaults, and so are the plans."""


@dataclass(frozen=True)
class DataSet:
    """A data set that dataset.py generates with these options."""

    name: str
    options: tuple[str, ...]

    @property
    def directory(self) -> Path:
        """The directory where it is kept, which is another one for other options."""
        return ROOT / ".data" / "plans" / "".join((self.name, *self.options))


SMALL: Final = DataSet(
    "small",
    ("--organizations=2", "--users=2500", "--groups=1500", "--pipelines=2500", "--jobs=10000", "--tokens=5000"),
)
LARGE: Final = DataSet(
    "large",
    ("--organizations=4", "--users=50000", "--groups=2000", "--pipelines=10000", "--jobs=500000", "--tokens=20000"),
)
CHOSEN: Final = {"small": SMALL, "large": LARGE}[os.environ.get("PLANS", "small")]
"""The data set that the environment's PLANS chooses."""


@dataclass(frozen=True)
class Target:
    """An update of a job that a user may make."""

    token: str
    user_id: UUID
    job_id: str
    pipeline_ids: list[UUID]


async def fill(dsn: str, data_set: DataSet, directory: Path, progress: Callable[[int], None] = lambda _: None) -> None:
    """Fill an empty database, unless that was done before.

    Args:
        dsn: the address of the database.
        data_set: the data.
        directory: receives the data set's other files, and a mark once all is done.
        progress: called now and then with the number of bytes imported since the last call.
    """
    await migrate(dsn)
    mark = directory / "filled"
    if not mark.exists():
        with _made(data_set, directory) as lines:
            await import_records(dsn, lines, progress)
    connection = await asyncpg.connect(dsn)
    await connection.execute("ANALYZE" if mark.exists() else "VACUUM (ANALYZE)")
    await connection.close()
    mark.touch()


@contextmanager
def _made(data_set: DataSet, directory: Path) -> Iterator[IO[bytes]]:
    """Generate a data set; yield its lines through a pipe, which saves a gigabyte of disk."""
    directory.mkdir(parents=True, exist_ok=True)
    pipe = directory / "data.ndjson"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    program = ROOT / "tests" / "bench" / "dataset.py"
    make = (sys.executable, str(program), "--out", str(directory), *data_set.options)
    with subprocess.Popen(make) as making, pipe.open("rb") as lines:
        yield lines
    if making.returncode:
        raise RuntimeError("the data set could not be made")


def targets(directory: Path, count: int) -> list[Target]:
    """Return updates by as many users, each of another job."""
    with (directory / "targets.ndjson").open() as lines:
        records = [json.loads(line) for line in islice(lines, count * 5)]
    of_users = {record["user_id"]: record for record in records if record["pipeline_ids"]}
    return [
        Target(record["token"], UUID(user_id), record["job_id"], [UUID(key) for key in record["pipeline_ids"]])
        for user_id, record in islice(of_users.items(), count)
    ]
