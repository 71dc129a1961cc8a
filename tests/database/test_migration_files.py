"""Each migration leaves the version before at work: while it runs, and until the last of that version's processes ends.

Two kinds of statements do not. What takes away or narrows something that the version before may use must wait until no
such version is in service, and says so by `-- compatible-from: NNNN`: versions that know that migration do without it.
What locks a table for as long as reading all of it takes is never right.
"""

import re

import pytest

from service.database.migrations import Migration, load_migrations

FIRST_RELEASE = 4
"""The last migration of release 0.1.0; nothing was in service before. To be raised until that release is made."""

BREAKS = {
    r"\bDROP\s+(TABLE|VIEW|COLUMN|FUNCTION|SEQUENCE|TRIGGER|TYPE|SCHEMA)\b": "what is dropped may be in use",
    r"\bRENAME\b": "the old name may be in use",
    r"\bALTER\s+(COLUMN\s+)?\w+\s+(SET\s+DATA\s+)?TYPE\b": "values may be read and written by the old type",
    r"\bSET\s+NOT\s+NULL\b": "NULL may still be written",
    r"\bADD\s+(COLUMN\s+)?(IF\s+NOT\s+EXISTS\s+)?\w+\s+(?![^,;]*\bDEFAULT\b)[^,;]*\bNOT\s+NULL\b": "it may be left out",
    r"\bADD\s+(CONSTRAINT|CHECK|UNIQUE|FOREIGN|EXCLUDE)\b": "what it forbids may still be written",
    r"\bCREATE\s+UNIQUE\s+INDEX\b": "what it forbids may still be written",
    r"\bREVOKE\b": "what is revoked may be in use",
}
LOCKS = {
    r"\bCREATE\s+(UNIQUE\s+)?INDEX\s+(?!CONCURRENTLY)": "CREATE INDEX CONCURRENTLY, in a file of its own",
    r"\bADD\s+(CONSTRAINT|CHECK|FOREIGN)\b(?!(\(([^()]|\([^()]*\))*\)|[^,;()])*\b(NOT\s+VALID|USING\s+INDEX)\b)": (
        "NOT VALID, then VALIDATE"
    ),
}


def objections(migration: Migration) -> list[str]:
    """List why a migration must not be released as it is. Tables and functions of its own are free."""
    statements = re.sub(r"\$\$.*?\$\$|--[^\n]*", "", migration.sql, flags=re.DOTALL)
    made = re.findall(r"\bCREATE\s+(?:TABLE|FUNCTION)\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", statements, re.IGNORECASE)
    found = []
    for statement in statements.split(";"):
        on = re.search(
            r"\b(?:ON(?:\s+FUNCTION)?|ALTER\s+TABLE)\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?(\w+)", statement, re.IGNORECASE
        )
        if on and on[1] in made:
            continue
        rules = LOCKS if migration.compatible_from else {**BREAKS, **LOCKS}
        found += [why for pattern, why in rules.items() if re.search(pattern, statement, re.IGNORECASE)]
    if migration.compatible_from >= migration.version:
        found.append(
            "it is compatible from itself: the version before it would be refused while it is still in service"
        )
    return found


def test_migration_files_leave_the_version_before_at_work() -> None:
    found = {each.name: objections(each) for each in load_migrations() if each.version > FIRST_RELEASE}

    assert {name: why for name, why in found.items() if why} == {}


@pytest.mark.parametrize(
    ("sql", "objection"),
    [
        ("ALTER TABLE jobs DROP COLUMN name", "what is dropped may be in use"),
        ("DROP FUNCTION bump_users()", "what is dropped may be in use"),
        ("ALTER TABLE jobs RENAME name TO title", "the old name may be in use"),
        ("ALTER TABLE jobs ALTER COLUMN name TYPE varchar", "values may be read and written by the old type"),
        ("ALTER TABLE jobs ALTER name SET NOT NULL", "NULL may still be written"),
        ("ALTER TABLE jobs ADD COLUMN priority int NOT NULL", "it may be left out"),
        ("ALTER TABLE jobs ADD CONSTRAINT c CHECK (true) NOT VALID", "what it forbids may still be written"),
        ("-- compatible-from: 0008\nALTER TABLE jobs ADD CONSTRAINT c CHECK (true)", "NOT VALID, then VALIDATE"),
        (
            "-- compatible-from: 0008\nALTER TABLE jobs ADD CONSTRAINT c CHECK (true), ADD CHECK (false) NOT VALID",
            "NOT VALID, then VALIDATE",
        ),
        ("CREATE INDEX jobs_by_name ON jobs (name)", "CREATE INDEX CONCURRENTLY, in a file of its own"),
        (
            "-- no transaction\nCREATE UNIQUE INDEX CONCURRENTLY u ON jobs (name)",
            "what it forbids may still be written",
        ),
        ("REVOKE SELECT ON jobs FROM flow_service", "what is revoked may be in use"),
        (
            "-- compatible-from: 0009\nDROP TABLE jobs",
            "it is compatible from itself: the version before it would be refused while it is still in service",
        ),
    ],
)
def test_objections_name_what_breaks_or_locks(sql: str, objection: str) -> None:
    assert objections(Migration(9, "0009_x.sql", sql)) == [objection]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE more (id int NOT NULL); ALTER TABLE more ADD CHECK (id > 0); CREATE INDEX by_id ON more (id)",
        "ALTER TABLE jobs ADD COLUMN priority int",
        "ALTER TABLE jobs ADD COLUMN priority int NOT NULL DEFAULT 0",
        "-- no transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS jobs_by_name ON jobs (name)",
        "-- No version since 0007 uses it.\n-- compatible-from: 0007\nALTER TABLE jobs DROP COLUMN priority",
        "-- It does not DROP TABLE anything.\nCREATE OR REPLACE FUNCTION f() RETURNS int AS $$ DROP TABLE x; $$",
        "DROP INDEX jobs_by_age",
        "ALTER TABLE jobs VALIDATE CONSTRAINT c",
        "-- compatible-from: 0004\nALTER TABLE jobs ADD FOREIGN KEY (a, b) REFERENCES users (a, b) NOT VALID",
        "-- compatible-from: 0004\nALTER TABLE jobs ADD CONSTRAINT c CHECK (length(name) > 0) NOT VALID",
    ],
)
def test_objections_are_none_to_what_only_adds(sql: str) -> None:
    assert objections(Migration(9, "0009_x.sql", sql)) == []
