"""A database that PostgreSQL takes for one so many times as large: empty pages behind the real ones, and statistics.

The planner goes by a table's file, whose length it looks up, and by the density and the distinct values that ANALYZE
found. Files are lengthened by pages that take no room on the disk; numbers are multiplied where the catalogs keep them.
Plans are made of it, and not run. It can't be gone back from.
"""

from pathlib import Path
from typing import Final

from tests.scale.filling import Raw

PAGE: Final = 8192
SEGMENT: Final = 2**30
"""Bytes of each file of a table, but the last."""


async def multiply_statistics(raw: Raw, times: int) -> dict[str, int]:
    """Multiply what the catalogs say of tables and indexes.

    Returns:
        By file, from the data directory, the length that it is to have.
    """
    large = "c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i') AND c.reltuples > 0"
    rows = await raw.fetch(
        f"SELECT pg_relation_filepath(c.oid) AS path, pg_relation_size(c.oid) AS size FROM pg_class c WHERE {large}"
    )
    await raw.execute(
        f"""
        UPDATE pg_class c SET reltuples = c.reltuples * {times},
               relpages = least(c.relpages::bigint * {times}, 2000000000),
               relallvisible = least(c.relallvisible::bigint * {times}, 2000000000)
        WHERE {large};
        UPDATE pg_statistic s SET stadistinct = s.stadistinct * {times}, {_rarer(times)}
        FROM pg_class c, pg_attribute a
        WHERE {large} AND s.starelid = c.oid AND a.attrelid = c.oid AND a.attnum = s.staattnum AND s.stadistinct > 0
          AND a.atttypid = 'uuid'::regtype;
        """
    )
    return {row["path"]: row["size"] * times for row in rows}


def _rarer(times: int) -> str:
    """Return the SQL by which the most common values, which are of kind 1, are that much rarer."""
    rarer = "SELECT (x / {times})::real FROM unnest(s.stanumbers{n}) x"
    kept = "stanumbers{n} = CASE s.stakind{n} WHEN 1 THEN ARRAY(" + rarer + ") ELSE s.stanumbers{n} END"
    return ", ".join(kept.format(n=n, times=times) for n in range(1, 6))


def lengthen(directory: Path, lengths: dict[str, int]) -> None:
    """Lengthen the files of a server that does not run, in segments as PostgreSQL has them."""
    for path, length in lengths.items():
        for number in range(-(-length // SEGMENT)):
            segment = directory / (f"{path}.{number}" if number else path)
            wanted = min(SEGMENT, length - number * SEGMENT)
            segment.touch()
            with segment.open("r+b") as file:
                if file.seek(0, 2) < wanted:
                    file.truncate(wanted)
