"""Statements by which months of the audit trail are archived: by the owner of the tables, beside the service."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from service.database.connector import Raw
from service.database.pool import Connection
from service.database.session_defaults import lift_transaction_timeout
from service.repositories.audit_epochs import NOT_RESTORED
from service.repositories.audit_months import Partition
from service.repositories.audit_seals import Seal, read_seal
from service.repositories.times import bounded
from service.values.months import Month

FIELDS: Final = (
    *("id", "organization_id", "at", "actor_id", "actor", "token_id", "action", "target", "before", "after"),
    *("request_id", "transaction_id"),
)
"""The fields of an entry that are sealed, in their order in the sealed text."""
_LOCK: Final = 0x61726368
"""The lock of the one that archives: "arch", any number that nothing else in this database locks."""
_MONTH: Final = f"to_char(({bounded('a.at')}) AT TIME ZONE 'UTC', 'YYYY-MM')"


class Part(NamedTuple):
    """The entries of one organization in one month of a partition."""

    month: str
    organization_id: UUID
    entries: int


class Archived(NamedTuple):
    """A month that was archived."""

    month: str
    partition: str
    ids: tuple[tuple[int, int], ...]
    """The numbers of its entries, in ranges: the first, and the one behind the last."""
    entries: int
    manifest_sha256: bytes


async def owns_trail(connection: Connection) -> bool:
    """Return whether the role may take partitions out of the trail."""
    row = await connection.fetch_one(
        "archives.owns",
        "SELECT pg_has_role(c.relowner, 'USAGE') AS owns FROM pg_class c WHERE c.oid = 'audit'::regclass",
    )
    return bool(row["owns"])


async def try_lock(connection: Connection) -> bool:
    """Take the lock of all that archive, for as long as the session lasts; return whether it was free."""
    row = await connection.fetch_one("archives.lock", "SELECT pg_try_advisory_lock($1) AS got", _LOCK)
    return bool(row["got"])


async def count_unsealed(connection: Connection, partition: str) -> int:
    """Count the entries of a partition that are in no seal."""
    row = await connection.fetch_one(
        "archives.unsealed",
        f"""
        -- All sealed ids as one value: in it an id is found faster than by the index of the seals.
        WITH sealed AS MATERIALIZED (
            SELECT coalesce(range_agg(r.ids), '{{}}'::int8multirange) AS ids
            FROM audit_seals s CROSS JOIN unnest(s.ids) AS r (ids)
        )
        SELECT count(*) AS number FROM {partition} a CROSS JOIN sealed s WHERE NOT s.ids @> a.id
        """,
    )
    return int(row["number"])


async def list_parts(connection: Connection, partition: str) -> list[Part]:
    """Return the months and organizations that a partition has entries of, in the order of time."""
    rows = await connection.fetch(
        "archives.parts",
        f"""
        SELECT {_MONTH} AS month, a.organization_id, count(*) AS entries
        FROM {partition} a GROUP BY 1, 2 ORDER BY 1, 2
        """,
    )
    return [Part(*row) for row in rows]


async def read_ids(connection: Connection, partition: str, month: str) -> list[tuple[int, int]]:
    """Return the numbers of a month's entries, in ranges."""
    row = await connection.fetch_one(
        "archives.ids",
        f"""
        SELECT coalesce(range_agg(int8range(a.id, a.id + 1)), '{{}}'::int8multirange) AS ids
        FROM {partition} a WHERE {_MONTH} = $1
        """,
        month,
    )
    return [(each.lower, each.upper) for each in row["ids"]]


async def copy_entries(
    raw: Raw, partition: str, part: Part, sink: Callable[[bytes], Coroutine[Any, Any, None]]
) -> None:
    """Copy the entries of a part out, in the order of time: one JSON object a line."""
    month = Month(*map(int, part.month.split("-")))
    begin = "-infinity" if month.begin.year == 1970 else month.begin.isoformat()
    async with raw.transaction():
        await lift_transaction_timeout(raw)
        await raw.copy_from_query(
            f"""
            SELECT row_to_json(l) FROM (
                SELECT a.id, a.organization_id, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
                       a.actor_id, a.actor, a.token_id, a.action, a.target, a.before, a.after, a.request_id,
                       a.transaction_id::text AS transaction_id,
                       CASE WHEN {NOT_RESTORED} THEN a.transaction_id::text END AS written_by
                FROM {partition} a
                WHERE a.organization_id = $1 AND a.at >= $2::text::timestamptz AND a.at < $3::text::timestamptz
                ORDER BY a.at, a.id
            ) l
            """,
            part.organization_id,
            begin,
            month.plus(1).begin.isoformat(),
            output=sink,
            format="csv",  # with marks that JSON can't have, so that a line is what it is
            quote="\x01",
            delimiter="\x02",
        )


async def page_of_seals(connection: Connection, ids: Sequence[tuple[int, int]], after: int) -> list[Seal]:
    """Return the next seals, behind a number, that have any of some numbers of entries."""
    rows = await connection.fetch(
        "archives.seals",
        """
        SELECT s.number, s.sealed_at, s.epoch, s.snapshot, s.ids, s.leaves, s.root, s.previous, s.chain
        FROM audit_seals s
        WHERE s.number > $3 AND s.ids && (
            SELECT range_agg(int8range(r.first, r.behind)) FROM unnest($1::bigint[], $2::bigint[]) AS r (first, behind)
        )
        ORDER BY s.number LIMIT 100
        """,
        *zip(*ids, strict=True),
        after,
    )
    return [read_seal(row) for row in rows]


async def note(connection: Connection, archived: Archived) -> None:
    """Note that a month was archived."""
    await connection.execute(
        "archives.note",
        """
        INSERT INTO audit_archives (month, partition, ids, entries, manifest_sha256)
        SELECT $1, $2, (SELECT range_agg(int8range(r.first, r.behind)) FROM unnest($3::bigint[], $4::bigint[])
                        AS r (first, behind)), $5, $6
        ON CONFLICT (month) DO UPDATE SET
            partition = excluded.partition, ids = excluded.ids, entries = excluded.entries,
            manifest_sha256 = excluded.manifest_sha256, archived_at = clock_timestamp()
        """,
        archived.month,
        archived.partition,
        *zip(*archived.ids, strict=True),
        archived.entries,
        archived.manifest_sha256,
    )


async def list_archived(connection: Connection) -> list[Archived]:
    """Return the months that were archived, in the order of time."""
    rows = await connection.fetch(
        "archives.list",
        "SELECT r.month, r.partition, r.ids, r.entries, r.manifest_sha256 FROM audit_archives r ORDER BY r.month",
    )
    return [_archived(row) for row in rows]


def _archived(row: Mapping[str, Any] | Any) -> Archived:
    values = dict(row)
    values["ids"] = tuple((each.lower, each.upper) for each in values["ids"])
    return Archived(**values)


async def detach(connection: Connection, partition: Partition) -> None:
    """Take a partition out of the trail, while others read and write the others."""
    how = "FINALIZE" if partition.detaching else "CONCURRENTLY"
    await connection.execute("archives.detach", f"ALTER TABLE audit DETACH PARTITION {partition.name} {how}")


async def attach(connection: Connection, partition: Partition) -> None:
    """Put a partition back."""
    begin = f"'{partition.begin.isoformat()}'" if partition.begin else "MINVALUE"
    end = f"'{partition.end.isoformat()}'" if partition.end else "MAXVALUE"
    await connection.execute(
        "archives.attach", f"ALTER TABLE audit ATTACH PARTITION {partition.name} FOR VALUES FROM ({begin}) TO ({end})"
    )


async def count_entries(connection: Connection, partition: str) -> int:
    """Count the entries of a partition that was taken out."""
    row = await connection.fetch_one("archives.count", f"SELECT count(*) AS number FROM {partition}")
    return int(row["number"])


async def list_taken_out(connection: Connection) -> set[str]:
    """Return the partitions that were taken out of the trail, and not dropped."""
    rows = await connection.fetch(
        "archives.taken_out",
        """
        SELECT c.relname::text AS name FROM pg_class c
        JOIN pg_class t ON t.oid = 'audit'::regclass AND t.relnamespace = c.relnamespace AND t.relowner = c.relowner
        WHERE c.relkind = 'r' AND NOT c.relispartition AND c.relname ~ '^audit_(earlier|[0-9]{4}_[0-9]{2})$'
        """,
    )
    return {row["name"] for row in rows}


async def drop(connection: Connection, partition: str) -> None:
    """Drop a partition that was taken out."""
    await connection.execute("archives.drop", f"DROP TABLE {partition}")
