"""Print the schema that the migrations make, for reading: `make schema` keeps it in sql/schema.sql."""

import asyncio
import sys
import tempfile
from pathlib import Path

from service.database.migrations import migrate
from service.embedded.cluster import embedded_postgres
from service.embedded.programs import find_programs

HEADER = (
    "-- What sql/migrations make of an empty database: written by `make schema`. It is for reading, and its triggers\n"
    "-- are those that `doctor` looks for, and that `migrate` makes where one is missing.\n\n"
)


def dump(dsn: str) -> str:
    """Return the schema as pg_dump writes it, without what differs from version to version, and month to month."""
    months = ("--exclude-table=audit_earlier", "--exclude-table=audit_later", "--exclude-table=audit_[0-9]*")
    arguments = (
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--schema=public",
        "--restrict-key=none",
        *months,
        dsn,
    )
    dumped = find_programs().run("pg_dump", *arguments)
    if dumped.returncode:
        raise RuntimeError(dumped.stderr.decode())
    lines = [
        line
        for line in dumped.stdout.decode().splitlines()
        if not line.startswith(("--", "SET ", "SELECT pg_catalog", "\\")) and "SCHEMA public" not in line
    ]
    text = "\n".join(lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return HEADER + text.strip() + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory, embedded_postgres(Path(directory)) as dsn:
        asyncio.run(migrate(dsn))
        sys.stdout.write(dump(dsn))
