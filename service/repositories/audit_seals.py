"""Statements on the seals of the audit trail: what is new since the last one, and all that there are."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from service.database.pool import Connection
from service.repositories.audit_epochs import NOT_RESTORED
from service.repositories.audit_feed import FeedState
from service.repositories.times import bounded
from service.values.merkle import HASH_BYTES, tree_root

MAX_ENTRIES: Final = 10_000
"""Entries in one seal."""
_LOCK: Final = 0x7365616C
"""The lock of the one that seals: "seal", any number that nothing else in this database locks."""
NOTHING: Final = bytes(HASH_BYTES)
"""The chain before the first seal."""

CANONICAL: Final = """
    jsonb_build_array(
        a.id, a.organization_id, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), a.actor_id, a.actor,
        a.token_id, a.action, a.target, a.before, a.after, a.request_id, a.transaction_id::text
    )::text
"""
"""The one text of row a of the trail, whatever the session's settings."""
_LEAF: Final = f"sha256('\\x00'::bytea || convert_to({CANONICAL}, 'UTF8'))"


class Seal(NamedTuple):
    """A seal."""

    number: int
    sealed_at: datetime
    """The time at which the snapshot was not taken yet."""
    epoch: str
    """The database whose transaction numbers the snapshot has."""
    snapshot: str
    """Transactions that it sees are in this seal or one before."""
    ids: tuple[tuple[int, int], ...]
    """Of the sealed entries, in ranges: the first, and the one behind the last."""
    leaves: bytes
    root: bytes
    previous: bytes
    chain: bytes

    @property
    def hashes(self) -> list[bytes]:
        """The hashes of the entries, in the order of their ids."""
        return [self.leaves[place : place + HASH_BYTES] for place in range(0, len(self.leaves), HASH_BYTES)]

    @property
    def numbers(self) -> list[int]:
        """The ids of the sealed entries; of a forged seal, which may name any number, one more than it has hashes."""
        numbers = (each for first, behind in self.ids for each in range(first, behind))
        return [*islice(numbers, len(self.leaves) // HASH_BYTES + 1)]

    def right_chain(self) -> bytes:
        """Return the chain as it follows from what the seal says."""
        sealed_at = self.sealed_at.astimezone(UTC).isoformat(timespec="microseconds")
        said = [self.number, sealed_at, self.epoch, self.snapshot, self.ids, self.root.hex()]
        return hashlib.sha256(self.previous + orjson.dumps(said)).digest()


class Fresh(NamedTuple):
    """An entry that is not sealed yet."""

    id: int
    leaf: bytes


def make_seal(former: Seal | None, at: datetime, epoch: str, snapshot: str, fresh: Sequence[Fresh]) -> Seal:
    """Make the seal of some entries, by id, behind another one."""
    ids: list[tuple[int, int]] = []
    for each in fresh:
        if ids and ids[-1][1] == each.id:
            ids[-1] = ids[-1][0], each.id + 1
        else:
            ids.append((each.id, each.id + 1))
    hashes = [each.leaf for each in fresh]
    number, previous = (former.number + 1, former.chain) if former else (1, NOTHING)
    root = tree_root(hashes)
    unchained = Seal(number, at, epoch, snapshot, tuple(ids), b"".join(hashes), root, previous, b"")
    return unchained._replace(chain=unchained.right_chain())


async def try_lock(connection: Connection) -> bool:
    """Lock sealing until the transaction ends; return whether it was free."""
    row = await connection.fetch_one("seals.lock", "SELECT pg_try_advisory_xact_lock($1) AS got", _LOCK)
    return bool(row["got"])


async def read_time(connection: Connection) -> datetime:
    """Return the database's time, at which what comes behind it in this transaction has not begun."""
    row = await connection.fetch_one("seals.time", "SELECT statement_timestamp() AS at")
    found: datetime = row["at"]
    return found


_COLUMNS: Final = f"""
    s.number, {bounded("s.sealed_at")} AS sealed_at, s.epoch, s.snapshot, s.ids, s.leaves, s.root, s.previous, s.chain
"""


async def find_last(connection: Connection) -> Seal | None:
    """Return the last seal; None if there is none."""
    row = await connection.fetch_row(
        "seals.last", f"SELECT {_COLUMNS} FROM audit_seals s ORDER BY s.number DESC LIMIT 1"
    )
    return read_seal(row) if row else None


async def find_of_entry(connection: Connection, entry_id: int) -> Seal | None:
    """Return the seal of an entry; None if it has none yet."""
    row = await connection.fetch_row(
        "seals.of_entry",
        f"SELECT {_COLUMNS} FROM audit_seals s WHERE s.ids @> $1::bigint ORDER BY s.number LIMIT 1",
        entry_id,
    )
    return read_seal(row) if row else None


async def read_canonical(connection: Connection, organization_id: UUID, entry_id: int) -> str | None:
    """Return the text of an entry that is sealed; None if there is no such entry."""
    row = await connection.fetch_row(
        "seals.canonical",
        f"SELECT {CANONICAL} AS text FROM audit a WHERE a.organization_id = $1 AND a.id = $2",
        organization_id,
        entry_id,
    )
    return str(row["text"]) if row else None


async def list_fresh(connection: Connection, seen: str | None, state: FeedState) -> list[Fresh]:
    """Return the entries that are new since a snapshot, by id; None: all that no seal has, as of another database."""
    if seen is None:
        rows = await connection.fetch(
            "seals.unsealed",
            f"""
            SELECT a.id, {_LEAF} AS leaf
            FROM audit a
            WHERE NOT EXISTS (SELECT FROM audit_seals s WHERE s.ids @> a.id)
              AND (a.transaction_id IS NULL OR NOT {NOT_RESTORED}
                   OR pg_visible_in_snapshot(a.transaction_id, $1::text::pg_snapshot))
            ORDER BY a.id LIMIT $2
            """,
            state.snapshot,
            MAX_ENTRIES,
        )
    else:
        rows = await connection.fetch(
            "seals.fresh",
            f"""
            SELECT a.id, {_LEAF} AS leaf
            FROM audit a
            WHERE a.transaction_id >= pg_snapshot_xmin($1::text::pg_snapshot)
              AND a.transaction_id < pg_snapshot_xmax($2::text::pg_snapshot)
              AND NOT pg_visible_in_snapshot(a.transaction_id, $1::text::pg_snapshot)
              AND pg_visible_in_snapshot(a.transaction_id, $2::text::pg_snapshot)
              -- Whoever puts a row in by the number of a transaction yet to come gets no seal for it.
              AND {NOT_RESTORED}
              AND NOT EXISTS (SELECT FROM audit_seals s WHERE s.ids @> a.id)
            ORDER BY a.id LIMIT $3
            """,
            seen,
            state.snapshot,
            MAX_ENTRIES,
        )
    return [Fresh(*row) for row in rows]


async def insert(connection: Connection, seal: Seal) -> None:
    """Insert a seal; the trail of seals is append-only."""
    await connection.execute(
        "seals.insert",
        """
        INSERT INTO audit_seals (number, sealed_at, epoch, snapshot, ids, leaves, root, previous, chain)
        SELECT $1, $2, $3, $4, (SELECT range_agg(int8range(r.first, r.behind)) FROM unnest($5::bigint[], $6::bigint[])
                                AS r (first, behind)), $7, $8, $9, $10
        """,
        seal.number,
        seal.sealed_at,
        seal.epoch,
        seal.snapshot,
        *zip(*seal.ids, strict=True),
        seal.leaves,
        seal.root,
        seal.previous,
        seal.chain,
    )


async def page(connection: Connection, after: int, limit: int) -> list[Seal]:
    """Return the next seals behind a number."""
    rows = await connection.fetch(
        "seals.page",
        f"SELECT {_COLUMNS} FROM audit_seals s WHERE s.number > $1 ORDER BY s.number LIMIT $2",
        after,
        limit,
    )
    return [read_seal(row) for row in rows]


class Present(NamedTuple):
    """An entry as it is now."""

    id: int
    leaf: bytes
    at: datetime
    transaction: int | None
    """None: it was written before entries noted their transactions, or in another database."""
    served: bool
    """True if it was written for a user, and so dated at that moment; else at the begin of its transaction."""


_PRESENT: Final = f"""
    a.id, {_LEAF} AS leaf, {bounded("a.at")} AS at,
    CASE WHEN {NOT_RESTORED} THEN a.transaction_id::text::bigint END AS transaction, a.actor_id IS NOT NULL AS served
"""


async def list_present(connection: Connection, first: int, behind: int) -> list[Present]:
    """Return the entries of every organization with ids in a range, by id."""
    rows = await connection.fetch(
        "seals.present",
        f"""
        SELECT {_PRESENT}
        FROM organizations o
        -- LATERAL: organization by organization, as the only index by id is behind theirs.
        CROSS JOIN LATERAL (
            SELECT r.*, r.xmin FROM audit r WHERE r.organization_id = o.id AND r.id >= $1 AND r.id < $2
        ) a
        ORDER BY a.id
        """,
        first,
        behind,
    )
    return [Present(*row) for row in rows]


async def list_unsealed(connection: Connection, after: int, limit: int) -> list[Present]:
    """Return the next entries, by id, that are in no seal: the tail, and what was put between sealed ones."""
    rows = await connection.fetch(
        "seals.list_unsealed",
        f"""
        -- All sealed ids as one value: in it an id is found faster than by the index of the seals.
        WITH sealed AS MATERIALIZED (
            SELECT coalesce(range_agg(r.ids), '{{}}'::int8multirange) AS ids
            FROM audit_seals s CROSS JOIN unnest(s.ids) AS r (ids)
        )
        SELECT {_PRESENT}
        FROM audit a CROSS JOIN sealed s
        WHERE NOT s.ids @> a.id AND a.id > $1
        ORDER BY a.id LIMIT $2
        """,
        after,
        limit,
    )
    return [Present(*row) for row in rows]


def read_seal(row: Mapping[str, Any] | Any) -> Seal:
    """Read a row with the columns of a seal."""
    values = dict(row)
    values["ids"] = tuple((each.lower, each.upper) for each in values["ids"])
    return Seal(**values)
