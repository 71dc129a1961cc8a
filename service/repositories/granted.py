"""The SQL of what is granted to a user, for statements that read pipelines in the light of it."""

from typing import Final


def grants_of(organization_id: str, user_id: str) -> str:
    """Return the statement of the grants to a user and their groups that have not expired, given SQL for their ids."""
    return f"""
        SELECT ug.pipeline_id, ug.access, ug.expires_at
        FROM user_grants ug
        WHERE ug.organization_id = {organization_id} AND ug.user_id = {user_id}
          AND (ug.expires_at IS NULL OR ug.expires_at > now())
        UNION ALL
        SELECT gg.pipeline_id, gg.access, gg.expires_at
        FROM memberships m
        JOIN group_grants gg ON gg.organization_id = m.organization_id AND gg.group_id = m.group_id
        WHERE m.organization_id = {organization_id} AND m.user_id = {user_id}
          AND (gg.expires_at IS NULL OR gg.expires_at > now())
    """


GRANTS: Final = grants_of("$1", "$2")
"""The grants to user $2 of organization $1, and to their groups, that have not expired."""

GRANTED: Final = f"""
    SELECT g.pipeline_id, bit_or(g.access) AS access, min(g.expires_at) AS expires_at
    FROM ({GRANTS}) g
    GROUP BY g.pipeline_id
"""
"""By pipeline, the union of what is granted to user $2 of organization $1, and its first expiry."""

GRANTED_FIRST: Final = f"""
    -- MATERIALIZED: the grants are read once, for the count and for the join.
    WITH granted AS MATERIALIZED ({GRANTED}),
    -- Always one row, and the count takes all grants, whatever else there is.
    looked AS (SELECT count(*) AS up FROM granted)
"""
"""The same, read in any case: `FROM looked LEFT JOIN (...) ON looked.up >= 0`.

Were grants only read for the rows that there are, the time would tell that there are some, also to callers that may not
see them.
"""
