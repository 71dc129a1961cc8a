"""Settings of the server that the service relies on, whatever server, database or role have as their default.

Each connection sets them at its start, which costs nothing. Some poolers refuse that, or ignore it, and what the role
has holds instead: so each connection is asked once what holds.
"""

from collections.abc import Mapping
from typing import Final

import asyncpg

from service.database.failures import UnfitDatabase

APPLICATION_NAME: Final = "flow-pipelines"

SESSION_DEFAULTS: Final[Mapping[str, str]] = {
    "default_transaction_isolation": "read committed",
    "search_path": "public",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "extra_float_digits": "1",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "gin_fuzzy_search_limit": "0",
    "row_security": "on",
    "idle_session_timeout": "0",
    "plan_cache_mode": "auto",
}
"""Parameters that each connection sets at its start, by PostgreSQL's names."""

PLANNER_DEFAULTS: Final[Mapping[str, str]] = {"enable_seqscan": "off", "jit": "off"}
"""More of them, on which no answer depends, so that an address may set them too.

An index leads each statement of the API to what is one organization's. A table that is small PostgreSQL would read as a
whole nevertheless, and keep to that plan while another organization fills the table: 80 ms, not 2. Where there is no
index, servers before 18 take that for so dear that they compile the statement, in 100 ms.
"""

POOLED_DEFAULTS: Final = frozenset({"TimeZone", "DateStyle", "standard_conforming_strings"})
"""Parameters that PgBouncer keeps for each of its clients; others it refuses, or is told to ignore."""

SET_BY_SETTINGS: Final = frozenset(
    {"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "client_connection_check_interval"}
)
"""Parameters that each connection of the service sets by its own settings."""

COMMAND_PLANNER_DEFAULTS: Final[Mapping[str, str]] = {**PLANNER_DEFAULTS, "enable_seqscan": "on"}
"""PLANNER_DEFAULTS for the one connection of a command, whose statements may read whole tables."""
COMMAND_SETTINGS: Final[Mapping[str, str]] = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
"""More settings for the connection of a command, as its statements may take their time.

A role's lock_timeout stays: whoever sets it wants nothing to wait for locks for long, and a command that has given up
has changed nothing, and says that it may be run again.
"""

_CHECKED: Final = SESSION_DEFAULTS.keys() - {
    "search_path",
    "extra_float_digits",
    "idle_session_timeout",
    "plan_cache_mode",
}
"""Parameters whose value matters: of the search path the first schema that there is does, and others cost no answer."""

ENCODING: Final = "UTF8"

_CHECK: Final = f"""
    -- Defaults that change answers, as what they should be; session_replication_role can switch off foreign keys.
    SELECT name, should_be FROM (
        VALUES {", ".join(f"('{name}', '{SESSION_DEFAULTS[name]}')" for name in _CHECKED)},
            ('session_replication_role', 'origin')
    ) AS relied_on (name, should_be)
    WHERE current_setting(name) <> should_be
    UNION ALL
    SELECT 'search_path', 'public' WHERE (current_schemas(false))[1] IS DISTINCT FROM 'public'
    ORDER BY 1
"""


async def lift_transaction_timeout(
    connection: "asyncpg.Connection[asyncpg.Record]", *, of_session: bool = False
) -> None:
    """Let the transaction of a command take its time, whatever transaction_timeout the role has.

    Servers have it from version 17 on, and refuse one before as an unknown setting at the start of a connection.

    Args:
        connection: in a transaction; after that, a pooler may hand its session to others.
        of_session: True: for all transactions to come, where there is no pooler.
    """
    await connection.execute(
        f"SELECT set_config(name, '0', {not of_session}) FROM pg_settings WHERE name = 'transaction_timeout'"
    )


async def check_session(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Check that a new connection leads to a database that can hold any name, and that what is relied on holds.

    Raises:
        UnfitDatabase: it does not; the message says what to do.
    """
    encoding = getattr(connection.get_settings(), "server_encoding", ENCODING)
    if encoding != ENCODING:
        raise UnfitDatabase(
            f"its encoding is {encoding}, which can't hold every name, and must be UTF8: make another, by CREATE"
            " DATABASE ... ENCODING 'UTF8' TEMPLATE template0, and move what is in this one by `pg_dump` and `psql`"
        )
    wrong = await connection.fetch(_CHECK)
    if wrong:
        told = " and ".join(f"{row['name']} = '{row['should_be']}'" for row in wrong)
        raise UnfitDatabase(
            f"a pooler in between, or the role, keeps the service from setting {told}: set that on the role"
            " (ALTER ROLE flow_service SET ...)"
        )
