"""The diagnosis of a file that the database refused: the first line at fault, and the reason."""

from typing import Final

from service.database.connector import Raw


def _unknown(kind: str, column: str, parent: str) -> tuple[str, str]:
    """Diagnose a column that refers to no parent before its line."""
    return (
        f"{column}: there is no such {parent} before this line, in the file or in the database",
        f"""
        SELECT s.line FROM staged_{kind} s
        WHERE s.{column} IS NOT NULL
          AND NOT EXISTS (SELECT FROM parent_{parent} k WHERE k.id = s.{column} AND k.line < s.line)
        """,
    )


def _elsewhere(kind: str, column: str, parent: str, other_column: str, other: str) -> tuple[str, str]:
    """Diagnose two columns that refer to parents of different organizations."""
    return (
        f"{column} and {other_column} belong to different organizations",
        f"""
        SELECT s.line FROM staged_{kind} s
        JOIN parent_{parent} k ON k.id = s.{column}
        JOIN parent_{other} o ON o.id = s.{other_column} AND o.organization_id <> k.organization_id
        """,
    )


def _taken(kind: str, name: str, compared: str, table: str) -> tuple[str, str]:
    """Diagnose a name that another record, in the file or in the table, has already."""
    return (
        f"{name} is taken by another {kind} of the organization, regardless of case",
        f"""
        WITH final AS (
            -- the last line of each record
            SELECT DISTINCT ON (organization_id, id) line, organization_id, id, {compared} AS compared
            FROM staged_{kind}
            ORDER BY organization_id, id, line DESC
        )
        -- taken by an earlier line of the file
        SELECT s.line FROM (
            SELECT line, id, first_value(id) OVER (PARTITION BY organization_id, compared ORDER BY line) AS first_id
            FROM final
        ) s WHERE s.id <> s.first_id
        UNION ALL
        -- taken by a row of the table that the file leaves alone
        SELECT s.line FROM final s
        JOIN (SELECT id, organization_id, {compared} AS compared FROM {table}) t
          ON t.organization_id = s.organization_id AND t.compared = s.compared
        WHERE NOT EXISTS (SELECT FROM final f WHERE f.organization_id = t.organization_id AND f.id = t.id)
        """,
    )


def _ambiguous(kind: str) -> tuple[str, str]:
    """Diagnose an id that a record of another organization has already."""
    return (
        f"id: another organization has a {kind} of the same id",
        f"""
        SELECT s.line FROM staged_{kind} s
        JOIN parent_{kind} k ON k.id = s.id AND k.organization_id <> s.organization_id AND k.line < s.line
        """,
    )


_AMBIGUITIES: Final = (_ambiguous("user"), _ambiguous("group"), _ambiguous("pipeline"))
"""Diagnoses made first: an id of two organizations makes all that refers to it look wrong too.

Each is a reason, and a statement that selects the lines at fault."""

_FAULTS: Final = (
    _unknown("user", "organization_id", "organization"),
    _unknown("deleted_user", "organization_id", "organization"),
    _unknown("group", "organization_id", "organization"),
    _unknown("pipeline", "organization_id", "organization"),
    _unknown("job", "organization_id", "organization"),
    _unknown("job", "owner_id", "user"),
    _unknown("membership", "user_id", "user"),
    _unknown("membership", "group_id", "group"),
    _unknown("grant", "pipeline_id", "pipeline"),
    _unknown("grant", "user_id", "user"),
    _unknown("grant", "group_id", "group"),
    _unknown("token", "user_id", "user"),
    _unknown("identity", "user_id", "user"),
    _unknown("provisioned_user", "user_id", "user"),
    _unknown("provisioned_group", "group_id", "group"),
    _unknown("assignment", "pipeline_id", "pipeline"),
    (
        "job_id: the pipeline's organization has no such job before this line, in the file or in the database",
        """
        SELECT s.line FROM staged_assignment s
        JOIN parent_pipeline p ON p.id = s.pipeline_id
        -- no such job before the line; and the file has it later, or neither file nor database has it
        WHERE NOT EXISTS (
            SELECT FROM staged_job j WHERE j.organization_id = p.organization_id AND j.id = s.job_id AND j.line < s.line
        ) AND (
            EXISTS (SELECT FROM staged_job j WHERE j.organization_id = p.organization_id AND j.id = s.job_id)
            OR NOT EXISTS (SELECT FROM jobs j WHERE j.organization_id = p.organization_id AND j.id = s.job_id)
        )
        """,
    ),
    (
        "owner_id and organization_id belong to different organizations",
        """
        SELECT s.line FROM staged_job s
        JOIN parent_user u ON u.id = s.owner_id AND u.organization_id <> s.organization_id
        """,
    ),
    _elsewhere("membership", "user_id", "user", "group_id", "group"),
    _elsewhere("grant", "user_id", "user", "pipeline_id", "pipeline"),
    _elsewhere("grant", "group_id", "group", "pipeline_id", "pipeline"),
    _taken("user", "username", "lower(username)", "users"),
    (
        "id or username is that of a user who is there",
        """
        SELECT s.line FROM staged_deleted_user s
        JOIN (SELECT organization_id, id, username FROM staged_user UNION ALL
              SELECT organization_id, id, username FROM users) u
          ON u.organization_id = s.organization_id AND (u.id = s.id OR lower(u.username) = lower(s.username))
        """,
    ),
    (
        "username is that of a user who was deleted, whose name nobody else gets",
        """
        SELECT s.line FROM staged_user s
        JOIN deleted_users d ON d.organization_id = s.organization_id
             AND lower(d.username) = lower(s.username) AND d.id <> s.id
        """,
    ),
    _taken("group", "name", "lower(name)", "groups"),
    _taken("pipeline", "name", "name_key", "pipelines"),
    (
        "sha256 is the token of another user",
        """
        SELECT s.line FROM (
            SELECT line, user_id, first_value(user_id) OVER (PARTITION BY digest ORDER BY line) AS first_id
            FROM staged_token
        ) s WHERE s.user_id <> s.first_id
        UNION ALL
        SELECT s.line FROM staged_token s JOIN tokens t ON t.digest = s.digest AND t.user_id <> s.user_id
        """,
    ),
    (
        "id is taken by another token",
        """
        SELECT s.line FROM (
            SELECT line, digest, first_value(digest) OVER (PARTITION BY id ORDER BY line) AS first_digest
            FROM staged_token WHERE id IS NOT NULL
        ) s WHERE s.digest <> s.first_digest
        UNION ALL
        SELECT s.line FROM staged_token s
        JOIN tokens t ON t.id = s.id AND t.digest <> s.digest
        """,
    ),
    (
        "subject is linked to another user: `identity unlink` comes first",
        """
        SELECT s.line FROM (
            SELECT s.line, s.user_id,
                   first_value(s.user_id) OVER (
                       PARTITION BY u.organization_id, s.issuer, s.subject ORDER BY s.line
                   ) AS first_id
            FROM staged_identity s
            JOIN parent_user u ON u.id = s.user_id
        ) s WHERE s.user_id <> s.first_id
        UNION ALL
        SELECT s.line FROM staged_identity s
        JOIN parent_user u ON u.id = s.user_id
        JOIN identity_links l ON l.organization_id = u.organization_id
             AND l.issuer = s.issuer AND l.subject = s.subject AND l.user_id <> s.user_id
        """,
    ),
    (
        "id is taken by another link",
        """
        WITH resolved AS (
            SELECT s.line, u.organization_id, s.id, s.issuer, s.subject
            FROM staged_identity s
            JOIN parent_user u ON u.id = s.user_id
            WHERE s.id IS NOT NULL
        )
        SELECT s.line FROM resolved s
        JOIN resolved o ON o.organization_id = s.organization_id AND o.id = s.id AND o.line < s.line
             AND (o.issuer, o.subject) <> (s.issuer, s.subject)
        UNION ALL
        SELECT s.line FROM resolved s
        JOIN identity_links l ON l.organization_id = s.organization_id AND l.id = s.id
             AND (l.issuer, l.subject) <> (s.issuer, s.subject)
        """,
    ),
)
"""Diagnoses of records that refer to missing parents, mix organizations, or take names and tokens that are taken."""


_WITHOUT_ADMINISTRATOR: Final = """
    WITH
    -- The last line of each user, and whether they are an administrator by it.
    final AS (
        SELECT DISTINCT ON (s.organization_id, s.id)
               s.line, s.organization_id, s.id, s.role = 'admin' AND s.disabled IS NOT TRUE AS administers
        FROM staged_user s
        ORDER BY s.organization_id, s.id, s.line DESC
    ),
    -- The administrators that there are.
    present AS (
        SELECT u.organization_id, u.id
        FROM users u
        WHERE u.role = 'admin' AND NOT u.disabled
          AND u.organization_id IN (SELECT organization_id FROM final WHERE NOT administers)
    )
    SELECT min(gone.line)
    FROM (
        SELECT p.organization_id, max(f.line) AS line
        FROM present p
        LEFT JOIN final f ON f.organization_id = p.organization_id AND f.id = p.id
        GROUP BY p.organization_id
        HAVING bool_and(f.administers IS FALSE)
    ) gone
    WHERE NOT EXISTS (SELECT FROM final f WHERE f.organization_id = gone.organization_id AND f.administers)
"""


async def find_last_administrator(connection: Raw) -> tuple[int, str] | None:
    """Find the line that demotes or disables the last administrator of an organization, once they are locked."""
    line = await connection.fetchval(_WITHOUT_ADMINISTRATOR)
    if line is None:
        return None
    return line, "the organization would have no administrator any more: keep one, or make another one in this file"


async def find_first_fault(connection: Raw) -> tuple[int, str] | None:
    """Find the lowest line at fault and the reason; None if the records as such are right."""
    for diagnoses in (_AMBIGUITIES, _FAULTS):
        faults = []
        for reason, lines in diagnoses:
            line = await connection.fetchval(f"SELECT min(line) FROM ({lines}) faults")
            if line is not None:
                faults.append((line, reason))
        if faults:
            return min(faults)
    return None
