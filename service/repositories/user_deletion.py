"""Statements on users who are deleted: their jobs go to somebody, and their names stay theirs."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.identity import Caller
from service.repositories.audit import attribution
from service.repositories.audit_lists import GRANT, LARGEST, AuditList
from service.repositories.token_trees import GENERATIONS, deepest, joins_down
from service.repositories.users import User

MAX_HANDED_OVER: Final = 5_000
"""Jobs that one transaction hands over: others wait for its locks, at most half a second on a machine under load."""
MAX_TOKENS: Final = 2_000
"""Tokens that one transaction deletes ahead of their user: its organization's stay as they are meanwhile."""

GRANTS_OF_USER: Final = AuditList(
    "grants",
    f"""
    SELECT jsonb_build_object('pipeline', jsonb_build_object('id', p.id, 'name', p.name)) || {GRANT} AS item,
           row_number() OVER (ORDER BY p.name, p.id) AS place
    FROM user_grants g
    JOIN pipelines p ON p.organization_id = g.organization_id AND p.id = g.pipeline_id
    WHERE g.organization_id = $1 AND g.user_id = $2
    """,
)
GROUPS_OF_USER: Final = AuditList(
    "groups",
    """
    SELECT to_jsonb(g.name) AS item, row_number() OVER (ORDER BY lower(g.name)) AS place
    FROM memberships m
    JOIN groups g ON g.organization_id = m.organization_id AND g.id = m.group_id
    WHERE m.organization_id = $1 AND m.user_id = $2
    """,
)
LINKS_OF_USER: Final = AuditList(
    "links",
    """
    SELECT jsonb_build_object('id', l.id, 'issuer', l.issuer, 'subject', l.subject) AS item,
           row_number() OVER (ORDER BY l.created_at, l.id) AS place
    FROM identity_links l
    WHERE l.organization_id = $1 AND l.user_id = $2
    """,
)
TOKENS_OF_USER: Final = AuditList(
    "tokens",
    """
    -- Theirs, those that they have made by an identity provider's token, and those that were made with these: each by
    -- its parent's index, as in token_trees.find_descendants.
    WITH RECURSIVE ended AS (
        SELECT begun.id
        FROM (
            SELECT t.id FROM tokens t WHERE t.organization_id = $1 AND t.user_id = $2 AND t.revoked_at IS NULL
            UNION ALL
            SELECT t.id
            FROM identity_links l
            CROSS JOIN LATERAL (
                SELECT t.id
                FROM tokens t
                WHERE t.organization_id = $1 AND t.link_id = l.id AND t.revoked_at IS NULL
                OFFSET 0
            ) t
            WHERE l.organization_id = $1 AND l.user_id = $2
        ) begun
        UNION
        SELECT child.id
        FROM ended e
        CROSS JOIN LATERAL (
            SELECT t.id
            FROM tokens t
            WHERE t.organization_id = $1 AND t.parent_id = e.id AND t.revoked_at IS NULL
            OFFSET 0
        ) child
    )
    SELECT jsonb_build_object('id', t.id, 'username', u.username, 'name', t.name) AS item,
           row_number() OVER (ORDER BY u.id <> $2, t.created_at, t.id) AS place
    FROM ended e
    JOIN tokens t ON t.organization_id = $1 AND t.id = e.id
    JOIN users u ON u.organization_id = $1 AND u.id = t.user_id
    """,
)


def _last(first: str) -> str:
    """Return a statement of tokens with which none was made, below some, whatever became of them.

    Unlike that of a revocation, it goes by parents alone, and by revoked and expired tokens, too: what is deleted must
    not be referred to by any.

    Args:
        first: the statement of the first ones.
    """

    def below(parent: str) -> str:
        return f"SELECT t.id FROM tokens t WHERE t.organization_id = $1 AND t.parent_id = {parent}.id OFFSET 0"

    return f"""
        WITH paths AS MATERIALIZED (
            SELECT coalesce({deepest(lambda token: f"{token}.id")}, l0.id) AS id, l{GENERATIONS}.id AS deepest
            FROM ({first}) l0
            {joins_down(below)}
            LIMIT $4
        )
        SELECT NULL::uuid AS id, count(*) AS paths, min(p.deepest::text)::uuid AS deepest FROM paths p
        UNION ALL
        SELECT e.id, 0, NULL
        FROM (SELECT DISTINCT p.id FROM paths p WHERE p.id <> $3) e
        WHERE NOT EXISTS (SELECT FROM tokens t WHERE t.organization_id = $1 AND t.parent_id = e.id)
    """


_FIRST_OF_USER: Final = """
    SELECT t.id FROM tokens t WHERE t.organization_id = $1 AND t.user_id = $2
    UNION ALL
    SELECT t.id
    FROM identity_links l
    CROSS JOIN LATERAL (SELECT t.id FROM tokens t WHERE t.organization_id = $1 AND t.link_id = l.id OFFSET 0) t
    WHERE l.organization_id = $1 AND l.user_id = $2
"""
_LAST_OF_USER: Final = _last(_FIRST_OF_USER)
_LAST_OF_TOKEN: Final = _last("SELECT $2::uuid AS id")


async def find_last_tokens(
    connection: Connection, organization_id: UUID, user_id: UUID, but_id: UUID, limit: int
) -> list[UUID]:
    """Return tokens that are deleted with a user and with which none was made; none, if all there are have few ends.

    Args:
        connection: in a transaction that has the trees alone.
        organization_id: the user's.
        user_id: the user.
        but_id: a token that is not to be among them.
        limit: how many are returned at most.
    """
    statement, start, few = _LAST_OF_USER, user_id, limit
    while True:
        rows = await connection.fetch(
            "user_deletion.find_last_tokens", statement, organization_id, start, but_id, limit + GENERATIONS
        )
        found = [row["id"] for row in rows if row["id"] is not None]
        whole = next(row for row in rows if row["id"] is None)
        if whole["paths"] <= few and whole["deepest"] is None:
            return []
        if found or whole["deepest"] is None:
            return found[:limit]
        statement, start, few = _LAST_OF_TOKEN, whole["deepest"], 0


async def list_going(connection: Connection, organization_id: UUID, user_id: UUID) -> list[UUID]:
    """Return the tokens that are deleted with a user, of whom there are few."""
    rows = await connection.fetch(
        "user_deletion.list_going",
        f"""
        WITH RECURSIVE going AS (
            SELECT begun.id FROM ({_FIRST_OF_USER}) begun
            UNION
            SELECT child.id
            FROM going g
            CROSS JOIN LATERAL (
                SELECT t.id FROM tokens t WHERE t.organization_id = $1 AND t.parent_id = g.id OFFSET 0
            ) child
        )
        SELECT g.id FROM going g
        """,
        organization_id,
        user_id,
    )
    return [row["id"] for row in rows]


async def delete_tokens(
    connection: Connection, caller: Caller, owner: User, token_ids: Sequence[UUID], request_id: str | None
) -> None:
    """Delete tokens with which none was made, ahead of their user, and audit those that were not revoked.

    Rows of the trail have some hundred of them each.
    """
    await connection.execute(
        "user_deletion.audit_tokens",
        f"""
        INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target, before, request_id)
        SELECT $1, $4, $5, $6, 'user.delete_tokens', 'user:' || $3::text,
               jsonb_build_object('tokens', jsonb_agg(l.item ORDER BY l.place)), $7
        FROM (
            SELECT jsonb_build_object('id', t.id, 'username', u.username, 'name', t.name) AS item,
                   row_number() OVER (ORDER BY t.id) AS place
            FROM tokens t
            JOIN users u ON u.organization_id = $1 AND u.id = t.user_id
            WHERE t.organization_id = $1 AND t.id = ANY ($2) AND t.revoked_at IS NULL
        ) l
        GROUP BY (l.place - 1) / {LARGEST}
        ORDER BY (l.place - 1) / {LARGEST}
        """,
        caller.organization_id,
        token_ids,
        owner.username,
        *attribution(caller)[1:],
        request_id,
    )
    await connection.execute(
        "user_deletion.delete_tokens", "SELECT delete_tokens($1, $2)", caller.organization_id, token_ids
    )


async def count_jobs(connection: Connection, organization_id: UUID, user_id: UUID) -> int:
    """Count the jobs that a user owns."""
    row = await connection.fetch_one(
        "user_deletion.count_jobs",
        "SELECT count(*) FROM jobs j WHERE j.organization_id = $1 AND j.owner_id = $2",
        organization_id,
        user_id,
    )
    return int(row[0])


async def hand_over_jobs(
    connection: Connection, caller: Caller, owner: User, heir: User, request_id: str | None, limit: int
) -> int:
    """Make a user the owner of another's jobs, of the oldest if they are many, and audit it; return of how many.

    All of it is done by the database, as in audit_lists: no job comes to the service, and rows of the trail have some
    hundred ids each.
    """
    row = await connection.fetch_one(
        "user_deletion.hand_over_jobs",
        f"""
        -- The oldest, found and locked by the index of owners.
        WITH taken AS MATERIALIZED (
            SELECT j.id
            FROM jobs j
            WHERE j.organization_id = $1 AND j.owner_id = $2
            ORDER BY j.created_at
            LIMIT $3
            FOR NO KEY UPDATE
        ),
        -- The same, with their new owner.
        moved AS (
            UPDATE jobs j SET owner_id = $4 FROM taken t WHERE j.organization_id = $1 AND j.id = t.id
            RETURNING j.id
        ),
        -- Their rows of the trail.
        listed AS (
            INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target, before, after, request_id)
            SELECT $1, $5, $6, $7, 'user.hand_over_jobs', 'user:' || $8::text,
                   jsonb_build_object('owner', $8::text, 'job_ids', jsonb_agg(m.id ORDER BY m.id)),
                   jsonb_build_object('owner', $9::text), $10
            FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / {LARGEST} AS part FROM moved) m
            GROUP BY m.part
            ORDER BY m.part
        )
        SELECT count(*) FROM moved
        """,
        caller.organization_id,
        owner.id,
        limit,
        heir.id,
        *attribution(caller)[1:],
        owner.username,
        heir.username,
        request_id,
    )
    return int(row[0])


async def delete(connection: Connection, organization_id: UUID, user_id: UUID) -> None:
    """Delete a locked user who owns no jobs, with their tokens, grants and memberships; and keep their name."""
    await connection.execute("user_deletion.delete", "SELECT delete_user($1, $2)", organization_id, user_id)
