"""The export: everything of one or all organizations in the import format, from one snapshot.

Imported into an empty database it gives the same answers: whatever is shown or decides an order is in it. The audit
trail is not, as what happened elsewhere did not happen there; secrets are not, as the service has only their digests;
and these only if they are asked for, as where they are imported the tokens work as well. Links to people whom identity
providers know are, as they lead nobody in where the settings do not name the provider.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import IO, Any, Final
from uuid import UUID

import orjson

from service.database.connector import connect
from service.database.session_defaults import lift_transaction_timeout
from service.permissions import is_manager, permission_names, scope_names
from service.repositories.times import bounded

_OF: Final = "($1::uuid IS NULL OR t.organization_id = $1)"

_STATEMENTS: Final[Mapping[str, str]] = {
    "organization": f"""
        SELECT t.id, t.name, {bounded("t.created_at")} AS created_at
        FROM organizations t WHERE $1::uuid IS NULL OR t.id = $1 ORDER BY t.id
        """,
    "user": f"""
        SELECT t.id, t.organization_id, t.username, t.role, t.disabled, {bounded("t.created_at")} AS created_at,
               t.display_name, t.email
        FROM users t WHERE {_OF} ORDER BY t.organization_id, t.id
        """,
    "deleted_user": f"""
        SELECT t.id, t.organization_id, t.username, {bounded("t.deleted_at")} AS deleted_at
        FROM deleted_users t WHERE {_OF} ORDER BY t.organization_id, t.id
        """,
    "group": f"""
        SELECT t.id, t.organization_id, t.name, {bounded("t.created_at")} AS created_at
        FROM groups t WHERE {_OF} ORDER BY t.organization_id, t.id
        """,
    "membership": f"""
        SELECT t.group_id, t.user_id, {bounded("t.created_at")} AS created_at
        FROM memberships t WHERE {_OF} ORDER BY t.organization_id, t.user_id, t.group_id
        """,
    "pipeline": f"""
        SELECT t.id, t.organization_id, t.name, t.description, {bounded("t.created_at")} AS created_at,
               {bounded("t.updated_at")} AS updated_at
        FROM pipelines t WHERE {_OF} ORDER BY t.organization_id, t.id
        """,
    "grant": f"""
        SELECT t.pipeline_id, t.user_id, t.group_id, t.access, {bounded("t.expires_at")} AS expires_at,
               {bounded("t.updated_at")} AS updated_at
        FROM grants t WHERE {_OF} ORDER BY t.organization_id, t.pipeline_id, t.user_id, t.group_id
        """,
    "token": f"""
        SELECT t.user_id, encode(t.digest, 'hex') AS sha256, t.id, t.name, t.scopes,
               {bounded("t.expires_at")} AS expires_at, {bounded("t.revoked_at")} AS revoked_at,
               {bounded("t.created_at")} AS created_at, {bounded("t.last_used_at")} AS last_used_at
        FROM tokens t WHERE {_OF} ORDER BY t.organization_id, t.id
        """,
    "identity": f"""
        SELECT t.user_id, t.issuer, t.subject, t.id, {bounded("t.created_at")} AS created_at,
               {bounded("t.last_used_at")} AS last_used_at
        FROM identity_links t WHERE {_OF} ORDER BY t.organization_id, t.id
        """,
    "provisioned_user": f"""
        SELECT t.user_id, t.external_id, t.gives_role, t.deprovisioned, {bounded("t.changed_at")} AS changed_at
        FROM provisioned_users t WHERE {_OF} ORDER BY t.organization_id, t.user_id
        """,
    "provisioned_group": f"""
        SELECT t.group_id, t.external_id, {bounded("t.changed_at")} AS changed_at
        FROM provisioned_groups t WHERE {_OF} ORDER BY t.organization_id, t.group_id
        """,
    "job": f"""
        SELECT t.id, t.organization_id, t.owner_id, t.name, {bounded("t.created_at")} AS created_at
        FROM jobs t WHERE {_OF} ORDER BY t.organization_id, t.id
        """,
    "assignment": f"""
        SELECT t.job_id, t.pipeline_id, t.position, {bounded("t.assigned_at")} AS assigned_at
        FROM assignments t WHERE {_OF} ORDER BY t.organization_id, t.job_id, t.position
        """,
}
"""Statements by type of record, parents before children."""


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The outcome of an export: the records written, by type."""

    records: Mapping[str, int]
    seconds: float


async def export_records(
    dsn: str,
    output: IO[bytes],
    organization_id: UUID | None = None,
    progress: Callable[[int], None] = lambda _: None,
    *,
    plaintext: bool = False,
    with_tokens: bool = False,
) -> ExportResult:
    """Write records, one JSON object a line.

    Args:
        dsn: of a role that may read every table.
        output: where to.
        organization_id: the organization whose records are written; None for all.
        progress: called now and then with the number of records written since.
        plaintext: allow that a connection to another machine is not encrypted.
        with_tokens: whether the digests of tokens are written.

    Raises:
        StartupError: the database can't be reached.
    """
    started = perf_counter()
    connection = await connect(dsn, plaintext=plaintext)
    counts: dict[str, int] = {}
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await lift_transaction_timeout(connection)
            for kind, statement in _STATEMENTS.items():
                counts[kind] = 0
                async for row in connection.cursor(statement, organization_id, prefetch=1000):
                    record = _record(kind, dict(row))
                    if not with_tokens:
                        record.pop("sha256", None)
                    output.write(orjson.dumps(record, default=str, option=orjson.OPT_UTC_Z) + b"\n")
                    counts[kind] += 1
                    if counts[kind] % 1000 == 0:
                        progress(1000)
    finally:
        await connection.close()
    return ExportResult(counts, perf_counter() - started)


def _record(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """Convert a row to a record of the format: bit sets become lists of names, and NULL is left out.

    So is a user's being shut out where it is false, or an import of the file would let in again whoever was shut out
    since.
    """
    if kind == "grant":
        access = row.pop("access")
        row |= {"permissions": permission_names(access), "is_manager": is_manager(access)}
    if kind == "token":
        row["scopes"] = scope_names(row["scopes"])
    return {"type": kind} | {
        name: value
        for name, value in row.items()
        if value is not None and (value is not False or name not in _SHUTTING_OUT)
    }


_SHUTTING_OUT: Final = ("disabled", "deprovisioned")
