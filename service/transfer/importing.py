"""The import of newline-delimited JSON: parse, COPY into staging tables, merge table by table; in one transaction."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter
from typing import IO, Final
from uuid import UUID

import asyncpg

from service.database.connector import Raw, connect
from service.database.pool import Connection
from service.database.session_defaults import lift_transaction_timeout
from service.errors import StartupError
from service.identity import operator
from service.permissions import scope_names
from service.repositories import audit
from service.transfer.audit_lists import counted
from service.transfer.bulk_load import Deferred, defer_indexes, is_empty, restore_indexes
from service.transfer.diagnosis import find_first_fault, find_last_administrator
from service.transfer.merge import BOUND_TOKENS, MERGES
from service.transfer.parents import CREATE_PARENTS, LOCK, REQUIRE_UNIQUE_IDS
from service.transfer.reading import LineReader
from service.transfer.records import WITHOUT_DIGEST, BadRecord, parse_line
from service.transfer.staging import analyze_staging, copy_rows, create_staging

_CHUNK: Final = 10_000
"""Lines parsed while the database takes those before; a few megabytes."""
_CHUNK_BYTES: Final = 8 * 2**20
"""Bytes of such lines, where they are long."""
_ATTEMPTS: Final = 3
"""Attempts at writing what is staged, if it ends in a deadlock."""


class ImportRefused(StartupError):
    """A file that can't be imported; nothing was changed."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The outcome of an import: the records read, by type, and the rows written, by table."""

    records: Mapping[str, int]
    written: Mapping[str, int]
    tokens_left_out: int
    """Tokens of which the file has no digest, by which alone they could be recognised."""
    seconds: float


async def import_records(
    dsn: str, lines: IO[bytes], progress: Callable[[int], None] = lambda _: None, *, plaintext: bool = False
) -> ImportResult:
    """Import records into the database, all of them or none.

    Args:
        dsn: of a role that may write every table.
        lines: newline-delimited JSON, parents before children; plain, or compressed by gzip or zstd.
        progress: called now and then with the number of bytes of the file read since.
        plaintext: allow that a connection to another machine is not encrypted.

    Raises:
        ImportRefused: a line is bad; the sentence gives its number, from 1, and the reason.
        StartupError: the database can't be reached, or is not migrated.
    """
    started = perf_counter()
    connection = await connect(dsn, plaintext=plaintext)
    try:
        empty = await is_empty(connection)
        async with connection.transaction():
            await lift_transaction_timeout(connection)
            dropped = await defer_indexes(connection) if empty else ()
            await connection.execute(
                "SET LOCAL temp_buffers = '64MB'; SET LOCAL work_mem = '64MB'; SET LOCAL maintenance_work_mem = '128MB'"
            )
            await create_staging(connection)
            records, tokens_left_out = await _stage(connection, lines, progress)
            written = await _merge(connection, dropped)
        for table in written:
            await connection.execute(f"ANALYZE {table}")  # the planner is right at once, not when autovacuum comes by
    except asyncpg.UndefinedTableError as error:
        raise StartupError("The database is not migrated: run `migrate` first.") from error
    finally:
        await connection.close()
    return ImportResult(records, written, tokens_left_out, perf_counter() - started)


async def _stage(connection: Raw, lines: IO[bytes], progress: Callable[[int], None]) -> tuple[dict[str, int], int]:
    """Fill the staging tables, and count the records by type, and apart from them the tokens without a digest.

    A thread parses the next lines while the database takes the ones before.
    """
    counts: dict[str, int] = defaultdict(int)
    number, left_out, rows = 0, 0, dict[str, list[str]]()
    reader, shown = LineReader(lines), 0
    unread = iter(reader)
    while True:
        parsing = asyncio.create_task(asyncio.to_thread(_parse, unread, number))
        await copy_rows(connection, rows)
        read, parsed = await parsing
        progress(reader.taken - shown)
        shown = reader.taken
        if not read:
            return dict(counts), left_out
        number, rows = number + read, parsed
        left_out += len(rows.pop(WITHOUT_DIGEST, ()))
        for kind, of_kind in rows.items():
            counts[kind] += len(of_kind)


def _parse(lines: Iterator[bytes], before: int) -> tuple[int, dict[str, list[str]]]:
    """Parse the next lines: return their number, and their rows by type."""
    rows: dict[str, list[str]] = defaultdict(list)
    number, size = before, 0
    try:
        while number - before < _CHUNK and size < _CHUNK_BYTES:
            line = next(lines, None)
            if line is None:
                break
            parsed = parse_line(line)
            number, size = number + 1, size + len(line)
            if parsed:
                rows[parsed[0]].append(f"{number}\t{parsed[1]}\n")
    except BadRecord as error:
        raise ImportRefused(f"line {number + 1}: {error}") from error
    return number - before, rows


async def _merge(connection: Raw, dropped: Sequence[Deferred]) -> dict[str, int]:
    """Merge the staging tables into the real ones, audited for each organization that this changed."""
    await analyze_staging(connection)
    for statement in CREATE_PARENTS:
        await connection.execute(statement)
    try:
        written = await _write(connection, dropped)
    except asyncpg.IntegrityConstraintViolationError as error:
        fault = await find_first_fault(connection)
        if fault is None:
            raise ImportRefused(f"The records break a rule of the database, {error.constraint_name}") from error
        raise ImportRefused(f"line {fault[0]}: {fault[1]}") from error
    totals: dict[str, int] = defaultdict(int)
    for tables in written.values():
        for table, count in tables.items():
            totals[table] += count
    return dict(totals)


async def _write(connection: Raw, dropped: Sequence[Deferred]) -> dict[UUID, dict[str, int]]:
    """Write what is staged; return the rows written by organization and table.

    A deadlock with another import, or with changes of tokens made with those in the file, undoes this alone: it is
    tried again.
    """
    for _ in range(_ATTEMPTS):
        with suppress(asyncpg.DeadlockDetectedError):
            async with connection.transaction():
                return await _try_to_write(connection, dropped)
    raise ImportRefused("Other changes kept getting in the way: import again while there are fewer")


async def _try_to_write(connection: Raw, dropped: Sequence[Deferred]) -> dict[UUID, dict[str, int]]:
    for statement in (*REQUIRE_UNIQUE_IDS, *(() if dropped else LOCK)):  # no other session has the tables if dropped
        await connection.execute(statement)
    if not dropped and (fault := await find_last_administrator(connection)):
        raise ImportRefused(f"line {fault[0]}: {fault[1]}")
    written = await _fill(connection, empty=bool(dropped))
    await restore_indexes(connection, dropped)
    for organization_id, tables in written.items():
        await audit.insert(
            Connection(connection),
            operator(organization_id),
            "import",
            f"organization:{organization_id}",
            None,
            {"written": tables},
        )
    if any("tokens" in tables for tables in written.values()):
        await _bound_tokens(connection)
    return written


async def _fill(connection: Raw, *, empty: bool) -> dict[UUID, dict[str, int]]:
    """Fill the tables, and return how many rows were written, by organization and table."""
    written: dict[UUID, dict[str, int]] = defaultdict(dict)
    for table, merge in MERGES.items():
        if merge.park and not empty:
            await connection.execute(merge.park)
        for organization_id, count in await connection.fetch(counted(table, merge.statement(empty=empty))):
            written[organization_id][table] = count
    return written


async def _bound_tokens(connection: Raw) -> None:
    """Let no token be better than the one it was made with, now that the file has changed some; each is audited."""
    while rows := await connection.fetch(BOUND_TOKENS):
        for organization_id in {row["organization_id"] for row in rows}:
            changes = [
                (
                    f"token:{row['id']}",
                    None,
                    {
                        "revoked": row["revoked"],
                        "expires_at": row["expires_at"],
                        "scopes": scope_names(row["scopes"]),
                    },
                )
                for row in rows
                if row["organization_id"] == organization_id
            ]
            await audit.insert_each(Connection(connection), operator(organization_id), "token.bound", changes)
