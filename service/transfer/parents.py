"""The parents that the records of a file refer to, and the locks on them, before anything is merged."""

from collections.abc import Mapping
from typing import Final

_PARENTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "parent_organization": (
        "SELECT id, NULL::uuid AS organization_id, line FROM staged_organization",
        "SELECT id, NULL::uuid, 0 FROM organizations",
        "SELECT organization_id FROM staged_user UNION SELECT organization_id FROM staged_deleted_user"
        " UNION SELECT organization_id FROM staged_group UNION SELECT organization_id FROM staged_pipeline"
        " UNION SELECT organization_id FROM staged_job",
    ),
    "parent_user": (
        "SELECT id, organization_id, line FROM staged_user",
        "SELECT id, organization_id, 0 FROM users",
        "SELECT user_id FROM staged_membership UNION SELECT user_id FROM staged_grant"
        " UNION SELECT user_id FROM staged_token UNION SELECT owner_id FROM staged_job"
        " UNION SELECT user_id FROM staged_identity UNION SELECT user_id FROM staged_provisioned_user",
    ),
    "parent_group": (
        "SELECT id, organization_id, line FROM staged_group",
        "SELECT id, organization_id, 0 FROM groups",
        "SELECT group_id FROM staged_membership UNION SELECT group_id FROM staged_grant"
        " UNION SELECT group_id FROM staged_provisioned_group",
    ),
    "parent_pipeline": (
        "SELECT id, organization_id, line FROM staged_pipeline",
        "SELECT id, organization_id, 0 FROM pipelines",
        "SELECT pipeline_id FROM staged_grant UNION SELECT pipeline_id FROM staged_assignment",
    ),
}
"""By temporary table: the parents in the file, those in the database, and the ids that the file's records refer to."""

CREATE_PARENTS: Final = tuple(
    statement
    for table, (in_file, in_database, named) in _PARENTS.items()
    for statement in (
        f"""
        CREATE TEMP TABLE {table} ON COMMIT DROP AS
        SELECT id, organization_id, min(line) AS line
        FROM ({in_file} UNION ALL {in_database} WHERE id IN ({named})) parents
        GROUP BY id, organization_id
        """,
        f"ANALYZE {table}",
    )
)
"""Statements that create the tables of parents: the file's, with their first line, and the database's (line 0)."""

REQUIRE_UNIQUE_IDS: Final = tuple(
    f"ALTER TABLE {table} ADD CONSTRAINT {table}_one_organization UNIQUE (id)" for table in _PARENTS
)
"""Statements that refuse an id of two organizations: in the import format an id alone tells the organization."""


def _bumped(kind: str) -> str:
    """Return the statement of the users or groups whose revisions are drawn anew by what the file renames.

    Those of an organization whose pipelines very many hold keep theirs, and are not locked (0034).
    """
    return f"""
        WITH renamed AS MATERIALIZED (
            SELECT p.organization_id, p.id
            FROM staged_pipeline s
            JOIN pipelines p ON p.organization_id = s.organization_id AND p.id = s.id AND p.name <> s.name
        ), bumped AS MATERIALIZED (
            SELECT r.organization_id, r.id
            FROM renamed r
            JOIN held_by_many(
                (SELECT array_agg(organization_id ORDER BY organization_id, id) FROM renamed),
                (SELECT array_agg(id ORDER BY organization_id, id) FROM renamed)
            ) h ON h.organization_id = r.organization_id AND NOT h.many_{kind}s
        )
        SELECT g.organization_id, g.{kind}_id
        FROM {kind}_grants g
        JOIN bumped b ON b.organization_id = g.organization_id AND b.id = g.pipeline_id
    """


def _lock(table: str, keys: str, lock: str) -> str:
    """Return the statement that locks rows of a table, by organization and id; some may be given twice."""
    return f"""
        -- Counted, so that no row of the locked is sent.
        SELECT count(*)
        FROM (
            SELECT FROM {table} t
            WHERE (t.organization_id, t.id) IN ({keys})
            ORDER BY t.organization_id, t.id FOR {lock}
        ) locked
    """


LOCK: Final = (
    _lock("pipelines", "SELECT organization_id, id FROM staged_pipeline", "UPDATE"),
    _lock(
        "pipelines",
        "SELECT p.organization_id, p.id FROM staged_grant s JOIN parent_pipeline p ON p.id = s.pipeline_id",
        "SHARE",
    ),
    _lock(
        "pipelines",
        "SELECT p.organization_id, p.id FROM staged_assignment s JOIN parent_pipeline p ON p.id = s.pipeline_id",
        "KEY SHARE",
    ),
    "SELECT FROM organizations t WHERE t.id IN (SELECT id FROM parent_organization) ORDER BY t.id FOR NO KEY UPDATE",
    _lock(
        "groups",
        f"""
        SELECT organization_id, id FROM parent_group
        UNION ALL
        ({_bumped("group")})
        """,
        "NO KEY UPDATE",
    ),
    _lock(
        "users",
        f"""
        SELECT organization_id, id FROM staged_user
        UNION ALL
        SELECT u.organization_id, u.id FROM staged_membership s JOIN parent_user u ON u.id = s.user_id
        UNION ALL
        SELECT u.organization_id, u.id FROM staged_grant s JOIN parent_user u ON u.id = s.user_id
        UNION ALL
        SELECT u.organization_id, u.id FROM staged_identity s JOIN parent_user u ON u.id = s.user_id
        UNION ALL
        SELECT u.organization_id, u.id FROM staged_provisioned_user s JOIN parent_user u ON u.id = s.user_id
        UNION ALL
        ({_bumped("user")})
        """,
        "NO KEY UPDATE",
    ),
    _lock(
        "tokens",
        "SELECT t.organization_id, t.id FROM staged_token s JOIN tokens t ON t.digest = s.digest",
        "NO KEY UPDATE",
    ),
)
"""Statements that lock what the others will, in the order of all transactions (repositories/__init__.py).

Theirs is another, parents before children: without these, a change of the same things would often end in a deadlock.
Jobs, which others insert by the same ids, come last in either.
"""
