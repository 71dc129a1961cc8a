"""The triggers of the tables: as sql/schema.sql has them, and where a database has them otherwise.

Revisions are drawn by triggers, and audit rows and seals are attested by them. Whoever owns the tables can switch them
off, as `pg_restore --disable-triggers` does, which leaves them on for ordinary sessions alone.
"""

import re
from typing import Final, Literal, NamedTuple

from service.database.connector import Raw
from service.database.pool import Connection
from service.database.sql_files import sql_directory

_MADE: Final = re.compile(r"^CREATE TRIGGER (\w+) .+? ON public\.(\w+) .+;$", re.MULTILINE)
_ENABLED: Final = re.compile(r"^ALTER TABLE public\.(\w+) ENABLE (ALWAYS|REPLICA) TRIGGER (\w+);$", re.MULTILINE)

_ENABLE: Final = "Let a superuser run ALTER TABLE ... ENABLE TRIGGER ALL, and then run `migrate`."
_DISINHERIT: Final = (
    "Run ALTER TABLE ... NO INHERIT, as no trigger fires for its rows, and then UPDATE users SET revision = DEFAULT."
)

Sessions = Literal["", "ALWAYS", "REPLICA"]
"""The sessions in which a trigger fires, as ALTER TABLE names them: ordinary ones, all, or replicas alone."""


class Trigger(NamedTuple):
    """A trigger that a table is to have."""

    table: str
    name: str
    sessions: Sessions
    make: str
    """The statement that makes it, to fire in ordinary sessions."""


class Fault(NamedTuple):
    """A way in which rows could change without the triggers that are meant to fire."""

    found: str
    """Words such as "bump_on_insert of users is switched off"."""
    remedy: tuple[str, ...] = ()
    """Statements by which the owner mends it; none: an operator has to."""
    advice: str = "Run `migrate`, which switches triggers on, makes those that are missing, and outdates cached lists."


def intended_triggers() -> list[Trigger]:
    """List the triggers of sql/schema.sql."""
    schema = (sql_directory() / "schema.sql").read_text(encoding="utf-8")
    sessions: dict[tuple[str, str], Sessions] = {(found[1], found[3]): found[2] for found in _ENABLED.finditer(schema)}  # type: ignore[misc] # of the pattern
    return [
        Trigger(found[2], found[1], sessions.get((found[2], found[1]), ""), found[0])
        for found in _MADE.finditer(schema)
    ]


async def list_faults(connection: Connection) -> list[Fault]:
    """List what keeps triggers of a database from firing as they are meant to, if it has this version's migrations."""
    rows = await connection.fetch(
        "triggers.present",
        """
        SELECT c.relname AS table, t.tgname AS name, t.tgenabled::text AS enabled, t.tgisinternal AS foreign_key,
               t.tgparentid <> 0 AS inherited
        FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid
        JOIN pg_class m ON m.oid = 'public.schema_migrations'::regclass
        WHERE c.relnamespace = m.relnamespace AND c.relowner = m.relowner
        ORDER BY 1, 2
        """,
    )
    own = {(row["table"], row["name"]): row["enabled"] for row in rows if not row["foreign_key"]}
    intended = intended_triggers()
    by_name = {trigger.name: trigger for trigger in intended if trigger.table == "audit"}
    faults = [fault for each in intended if (fault := _fault(each, own.get((each.table, each.name))))]
    for row in rows:
        parent = by_name.get(row["name"]) if row["inherited"] else None
        if parent and (fault := _fault(parent._replace(table=row["table"]), row["enabled"])):
            faults.append(fault)
    switched_off = sorted({row["table"] for row in rows if row["foreign_key"] and row["enabled"] != "O"})
    faults += [Fault(f"foreign keys of {table} are not checked", advice=_ENABLE) for table in switched_off]
    heirs = await connection.fetch(
        "triggers.heirs",
        """
        SELECT h.inhrelid::regclass::text AS name, c.relname AS of
        FROM pg_inherits h
        JOIN pg_class c ON c.oid = h.inhparent AND c.relkind = 'r'
        JOIN pg_class m ON m.oid = 'public.schema_migrations'::regclass
        WHERE c.relnamespace = m.relnamespace AND c.relowner = m.relowner
        ORDER BY 1
        """,
    )
    return [
        *faults,
        *(Fault(f"rows of {row['name']} count as rows of {row['of']}", advice=_DISINHERIT) for row in heirs),
    ]


def _fault(trigger: Trigger, enabled: str | None) -> Fault | None:
    """Judge a trigger by its `tgenabled`; None if there is no such trigger."""
    named = f"{trigger.name} of {trigger.table}"
    wanted = {"": "O", "ALWAYS": "A", "REPLICA": "R"}[trigger.sessions]
    enable = f"ALTER TABLE public.{trigger.table} ENABLE {trigger.sessions} TRIGGER {trigger.name}"
    if enabled is None:
        return Fault(f"{named} is missing", (trigger.make, enable))
    if enabled == "D":
        return Fault(f"{named} is switched off", (enable,))
    if enabled != wanted:
        return Fault(f"{named} does not fire in all the sessions that it should", (enable,))
    return None


async def mend_triggers(connection: Raw) -> list[Fault]:
    """Switch on and make what is off or missing, and draw new revisions, as rows may have changed meanwhile.

    Each list was made at its user's revision, so that new ones for all users make each of them outdated.

    Returns:
        the faults that there were, in the order of their tables.

    Raises:
        asyncpg.PostgresError: this role may not, or others hold locks on the tables; nothing was changed.
    """
    faults = await list_faults(Connection(connection))
    if not any(fault.remedy for fault in faults):
        return faults
    async with connection.transaction():
        for fault in faults:
            for statement in fault.remedy:
                await connection.execute(statement)
        await connection.execute("SELECT FROM users ORDER BY organization_id, id FOR NO KEY UPDATE")
        await connection.execute("UPDATE users SET revision = DEFAULT")
    return faults
