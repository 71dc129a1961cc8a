"""The staging tables: the records of a file, by type and with their line numbers, before they are merged."""

from collections.abc import Mapping
from io import BytesIO
from typing import Final

from service.database.connector import Raw

STAGING: Final[Mapping[str, str]] = {
    "organization": "line bigint, id uuid, name text, created_at timestamptz",
    "user": (
        "line bigint, id uuid, organization_id uuid, username text, role text, disabled boolean,"
        " created_at timestamptz, display_name text, display_name_key text, email text, email_key text"
    ),
    "deleted_user": "line bigint, id uuid, organization_id uuid, username text, deleted_at timestamptz",
    "group": "line bigint, id uuid, organization_id uuid, name text, created_at timestamptz",
    "membership": "line bigint, group_id uuid, user_id uuid, created_at timestamptz",
    "pipeline": (
        "line bigint, id uuid, organization_id uuid, name text, name_key text, description text,"
        " created_at timestamptz, updated_at timestamptz"
    ),
    "grant": (
        "line bigint, pipeline_id uuid, access smallint, is_manager boolean,"
        " user_id uuid, group_id uuid, expires_at timestamptz, updated_at timestamptz"
    ),
    "token": (
        "line bigint, user_id uuid, digest bytea,"
        " id uuid, name text, scopes smallint, expires_at timestamptz, revoked_at timestamptz,"
        " created_at timestamptz, last_used_at timestamptz"
    ),
    "identity": (
        "line bigint, user_id uuid, issuer text, subject text, id uuid,"
        " created_at timestamptz, last_used_at timestamptz"
    ),
    "provisioned_user": (
        "line bigint, user_id uuid, external_id text, gives_role boolean, deprovisioned boolean, changed_at timestamptz"
    ),
    "provisioned_group": "line bigint, group_id uuid, external_id text, changed_at timestamptz",
    "job": "line bigint, id text, organization_id uuid, owner_id uuid, name text, created_at timestamptz",
    "assignment": "line bigint, job_id text, pipeline_id uuid, position integer, assigned_at timestamptz",
}
"""The columns of each type's table: those of records.py, behind the line number."""


async def create_staging(connection: Raw) -> None:
    """Create the staging tables, which are dropped with the transaction."""
    for kind, columns in STAGING.items():
        ordered = columns.replace(" text", ' text COLLATE "C"')
        await connection.execute(f"CREATE TEMP TABLE staged_{kind} ({ordered}) ON COMMIT DROP")


async def copy_rows(connection: Raw, rows: Mapping[str, list[str]]) -> None:
    """Append rows by type, in COPY's text form."""
    for kind, lines in rows.items():
        await connection.copy_to_table(f"staged_{kind}", source=BytesIO("".join(lines).encode()), format="text")


async def analyze_staging(connection: Raw) -> None:
    """Gather statistics for the planner, as autovacuum never sees temporary tables.

    Of 3,000 rows a table: the plans need the number of rows, and roughly how often a key repeats.
    """
    await connection.execute("SET LOCAL default_statistics_target = 10")
    for kind in STAGING:
        await connection.execute(f"ANALYZE staged_{kind}")
    await connection.execute("SET LOCAL default_statistics_target TO DEFAULT")
