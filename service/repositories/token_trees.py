"""Statements on trees of tokens: a token, what was made with it, and so on; and what took a token's place."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.repositories.times import bounded
from service.repositories.tokens import ACTIVE, TOKENS, Token

_TREES: Final = b"token trees"
"""The purpose of the locks, by which they differ from others of the same organization."""


async def share_trees(connection: Connection, organization_id: UUID) -> None:
    """Keep an organization's trees of tokens as they are until the transaction ends, but for leaves that others add.

    A token's tree is what was made with it, and so on. So nothing is made with a token while it is revoked.
    """
    statement = "SELECT pg_advisory_xact_lock_shared($1)"
    await connection.execute("token_trees.share_trees", statement, _key(organization_id))


async def lock_trees(connection: Connection, organization_id: UUID) -> None:
    """Have an organization's trees of tokens alone until the transaction ends, to change one.

    A statement that begins behind this one sees every descendant.
    """
    statement = "SELECT pg_advisory_xact_lock($1)"
    await connection.execute("token_trees.lock_trees", statement, _key(organization_id))


def _key(organization_id: UUID) -> int:
    """Return the number of an organization's lock: a hash, as ids that somebody chose may be alike in any part."""
    return int.from_bytes(blake2b(organization_id.bytes, digest_size=8, person=_TREES).digest(), signed=True)


GOOD: Final = "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())"
"""The condition that the token t is neither revoked nor expired, whatever its user is."""

_FOLLOWED: Final = f"({GOOD} OR (t.revoked_at IS NULL AND t.replaced_by_id IS NOT NULL))"
"""The condition that there may be good tokens behind the token t: one that was rotated may have expired before them."""

_ANCESTORS: Final = """
    -- Token $2 of organization $1, what it was made with, and so on up. UNION ends a cycle, which nothing makes.
    ancestors AS (
        SELECT t.id, t.parent_id FROM tokens t WHERE t.organization_id = $1 AND t.id = $2
        UNION
        SELECT t.id, t.parent_id
        FROM ancestors a
        JOIN tokens t ON t.organization_id = $1 AND t.id = a.parent_id
    )
"""


@dataclass(frozen=True, slots=True)
class Maker:
    """A token that may be used, as one that makes others."""

    id: UUID | None
    """None for an identity provider's, of which there is the link alone."""
    scopes: int | None
    expires_at: datetime | None
    generation: int
    """1 for a token without a parent, 2 for one made with such a token; 0 for a provider's."""
    link_id: UUID | None = None
    """The link by which a provider's token came."""


async def find_maker(connection: Connection, organization_id: UUID, token_id: UUID) -> Maker | None:
    """Return a token that may be used right now; None if it no longer may."""
    row = await connection.fetch_row(
        "token_trees.find_maker",
        f"""
        WITH RECURSIVE {_ANCESTORS}
        SELECT t.id, t.scopes, {bounded("t.expires_at")}, (SELECT count(*) FROM ancestors)
        FROM tokens t
        JOIN users u ON u.organization_id = t.organization_id AND u.id = t.user_id
        WHERE t.organization_id = $1 AND t.id = $2 AND {ACTIVE}
        """,
        organization_id,
        token_id,
    )
    return Maker(*row) if row else None


@dataclass(frozen=True, slots=True)
class TokenInTree:
    """A token that has not been revoked, and its place among those that it was made with."""

    token: Token
    expired: bool
    parent_id: UUID | None
    link_id: UUID | None
    replaced_by_id: UUID | None
    made_by_caller: bool
    """True if it was made with the token of the call, or with one made with that."""


async def find_in_tree(
    connection: Connection, organization_id: UUID, token_id: UUID, caller_token_id: UUID
) -> TokenInTree | None:
    """Return a token by its id, None if there is none or it was revoked."""
    row = await connection.fetch_row(
        "token_trees.find_in_tree",
        f"""
        WITH RECURSIVE {_ANCESTORS}
        SELECT found.*,
               coalesce(found.expires_at <= now(), false) AS expired, tree.parent_id, tree.link_id, tree.replaced_by_id,
               EXISTS (SELECT FROM ancestors a WHERE a.id = $3 AND a.id <> $2)
        FROM ({TOKENS} AND t.id = $2) found
        JOIN tokens tree ON tree.organization_id = $1 AND tree.id = found.id
        """,
        organization_id,
        token_id,
        caller_token_id,
    )
    return TokenInTree(Token(*row[:8]), *row[8:]) if row else None


MAX_TOGETHER: Final = 10_000
"""Descendants that are revoked with a token in one transaction, and up to which they are counted."""


async def find_descendants(connection: Connection, organization_id: UUID, token_id: UUID, limit: int) -> list[UUID]:
    """Return the tokens that are good, and were made with one, or with one of these; and what took its place.

    Each is looked up by its index, whatever the planner expects, as others decide how many there are, and how deep: it
    would expect few, and read the whole table for each generation. Whether a token is good is asked behind that: beside
    the lookup, it had an empty table planned by the index of good tokens, which is then read whole for each of many.

    Args:
        limit: how many are returned at most, those of the first generations; no more are looked up.
    """
    rows = await connection.fetch(
        "token_trees.find_descendants", f"{_DESCENDANTS} LIMIT $3", organization_id, token_id, limit
    )
    return [row["id"] for row in rows]


async def count_descendants(connection: Connection, organization_id: UUID, token_id: UUID) -> int:
    """Count the same tokens, up to MAX_TOGETHER."""
    statement = f"SELECT count(*) FROM ({_DESCENDANTS} LIMIT $3) counted"
    row = await connection.fetch_one(
        "token_trees.count_descendants", statement, organization_id, token_id, MAX_TOGETHER
    )
    return int(row[0])


async def find_longer(
    connection: Connection, organization_id: UUID, token_id: UUID, latest: datetime, limit: int
) -> list[UUID]:
    """Return those descendants of a token that live beyond a time; all are looked up for that."""
    rows = await connection.fetch(
        "token_trees.find_longer", f"{_LONGER} LIMIT $4", organization_id, token_id, latest, limit
    )
    return [row["id"] for row in rows]


async def is_descendant(connection: Connection, organization_id: UUID, token_id: UUID, of_id: UUID) -> bool:
    """Return whether a token is one of those of another; all of these may be looked up for it."""
    statement = f"SELECT $3::uuid IN ({_DESCENDANTS})"
    row = await connection.fetch_one("token_trees.is_descendant", statement, organization_id, of_id, token_id)
    return bool(row[0])


async def find_last(
    connection: Connection, organization_id: UUID, token_id: UUID, but_id: UUID, limit: int
) -> list[UUID]:
    """Return descendants of a token that have none themselves, and so may go before it.

    Args:
        connection: in a transaction that has the trees alone.
        organization_id: the tokens'.
        token_id: the token, which has more than `limit` descendants.
        but_id: a token that is not to be among them.
        limit: how many are returned at most; about as many are looked up, however many there are.
    """
    start = token_id
    while True:
        rows = await connection.fetch(
            "token_trees.find_last", _LAST, organization_id, start, but_id, limit + GENERATIONS
        )
        found = [row["id"] for row in rows if row["last"]]
        if found or rows[0]["deepest"] is None:
            return found[:limit]
        start = rows[0]["deepest"]  # a chain of tokens that took each other's place


def _descendants(of: str, but: str = "") -> str:
    """Return a statement of the tokens that are good of some, and of what was made with them.

    Args:
        of: the condition on the first ones, tokens t.
        but: a condition on tokens f that are to be left out.
    """
    return f"""
        -- The tokens themselves, what took their place, whatever became of that, and the good ones made with these, or
        -- with what they had made and was rotated since.
        WITH RECURSIVE found AS (
            SELECT t.id, t.replaced_by_id, {GOOD} AS good
            FROM tokens t
            WHERE t.organization_id = $1 AND {of}
            UNION
            SELECT n.id, n.replaced_by_id, n.good
            FROM found f
            CROSS JOIN LATERAL (
                (SELECT t.id, t.replaced_by_id, {GOOD} AS good, true AS follows
                 FROM tokens t
                 WHERE t.organization_id = $1 AND t.id = f.replaced_by_id
                 OFFSET 0)
                UNION ALL
                (SELECT t.id, t.replaced_by_id, {GOOD}, {_FOLLOWED}
                 FROM tokens t
                 WHERE t.organization_id = $1 AND t.parent_id = f.id
                 OFFSET 0)
            ) n
            WHERE n.follows
        )
        SELECT f.id FROM found f WHERE f.good {but}
    """


GENERATIONS: Final = 17
"""Generations of tokens that one statement goes down. Calls make no more; rotations and imports may add to them."""


def joins_down(below: Callable[[str], str]) -> str:
    """Return the joins of tokens l0 with those below them, l1, and so on down to the last generation.

    Nested joins go down first, and read no more than a limit asks for.

    Args:
        below: returns the statement of the tokens right below one, given the name of that.
    """
    return "".join(f"LEFT JOIN LATERAL ({below(f'l{level}')}) l{level + 1} ON true\n" for level in range(GENERATIONS))


def deepest(of: Callable[[str], str]) -> str:
    """Return what an expression of a token gives for the lowest one on a path for which it is not null."""
    return f"coalesce({', '.join(of(f'l{level}') for level in range(GENERATIONS, 0, -1))})"


def _last() -> str:
    """Return a statement of tokens by which trees end, below one.

    What took a token's place comes behind what it has made, so that the first row always leads to a token that is the
    last one.
    """

    def below(parent: str) -> str:
        return f"""
            SELECT n.* FROM (
                SELECT t.id, t.replaced_by_id, {GOOD} AS good, {_FOLLOWED} AS followed FROM tokens t
                WHERE t.organization_id = $1 AND t.parent_id = {parent}.id OFFSET 0
            ) n WHERE n.followed
            UNION ALL
            SELECT n.* FROM (
                SELECT t.id, t.replaced_by_id, {GOOD} AS good, true AS followed FROM tokens t
                WHERE t.organization_id = $1 AND t.id = {parent}.replaced_by_id OFFSET 0
            ) n
        """

    def good(token: str) -> str:
        return f"CASE WHEN {token}.good THEN {token}.id END"

    return f"""
        WITH paths AS MATERIALIZED (
            SELECT {deepest(good)} AS id, l{GENERATIONS}.id AS deepest
            FROM (SELECT t.id, t.replaced_by_id FROM tokens t WHERE t.organization_id = $1 AND t.id = $2) l0
            {joins_down(below)}
            LIMIT $4
        ), ends AS MATERIALIZED (
            SELECT DISTINCT p.id FROM paths p WHERE p.id <> $3
        )
        SELECT NULL::uuid AS id, false AS last, (SELECT p.deepest FROM paths p LIMIT 1) AS deepest
        UNION ALL
        SELECT e.id, true, NULL
        FROM ends e
        WHERE NOT EXISTS ({_descendants("t.id = e.id", "AND f.id <> e.id")})
    """


_DESCENDANTS: Final = _descendants("t.id = $2", "AND f.id <> $2")
_LONGER: Final = f"""
    SELECT d.id
    FROM ({_DESCENDANTS}) d
    CROSS JOIN LATERAL (SELECT t.expires_at FROM tokens t WHERE t.organization_id = $1 AND t.id = d.id OFFSET 0) t
    WHERE t.expires_at IS NULL OR t.expires_at > $3
"""
_OF_LINK: Final = _descendants("t.link_id = $2")
_LAST: Final = _last()
_OUTLIVING: Final = _descendants(
    """t.id = ANY (ARRAY(
                SELECT n.id
                FROM unnest($3::uuid[]) rotated (id)
                JOIN tokens r ON r.organization_id = $1 AND r.id = rotated.id
                JOIN tokens n ON n.organization_id = $1 AND n.id = r.replaced_by_id
                WHERE r.user_id <> $2 AND n.parent_id IS DISTINCT FROM r.parent_id
            ))"""
)


async def find_made_by_link(connection: Connection, organization_id: UUID, link_id: UUID) -> list[UUID]:
    """Return the tokens that are good, and were made by calls by a link, or with one of these; as above."""
    rows = await connection.fetch("token_trees.find_made_by_link", _OF_LINK, organization_id, link_id)
    return [row["id"] for row in rows]


async def find_outliving(
    connection: Connection, organization_id: UUID, user_id: UUID, token_ids: Sequence[UUID], limit: int
) -> list[UUID]:
    """Return the good tokens that a revocation would take along with some, and the deletion of their user would not.

    A deletion goes by parents: what has taken a token's place has another one, if another token rotated that. Tokens of
    the user's own are left out, as what took their place is the user's, too.
    """
    rows = await connection.fetch(
        "token_trees.find_outliving", f"{_OUTLIVING} LIMIT $4", organization_id, user_id, token_ids, limit
    )
    return [row["id"] for row in rows]


async def move_children(
    connection: Connection,
    organization_id: UUID,
    token_id: UUID,
    parent_id: UUID | None,
    link_id: UUID | None,
    limit: int,
) -> tuple[int, list[UUID]]:
    """Put another token, or none, in the place of one as the parent of its children that have not been revoked.

    Args:
        connection: in a transaction that has the trees alone.
        organization_id: the tokens'.
        token_id: the former parent.
        parent_id: the new one.
        link_id: of the link that the children go with from now on, beside the parent; None: none but their own.
        limit: how many are moved at most.

    Returns:
        How many were moved, and which of these are still good.
    """
    # Only where there is a link: its trigger takes longer than all else.
    update = (
        "UPDATE tokens t SET parent_id = $3"
        if link_id is None
        else "UPDATE tokens t SET parent_id = $3, link_id = coalesce(t.link_id, $5)"
    )
    rows = await connection.fetch(
        "token_trees.move_children",
        f"""
        WITH moved AS (
            {update}
            WHERE t.organization_id = $1 AND t.parent_id = $2 AND t.id = ANY (ARRAY(
                SELECT c.id FROM tokens c
                WHERE c.organization_id = $1 AND c.parent_id = $2 AND c.revoked_at IS NULL
                LIMIT $4
            ))
            RETURNING t.id, t.revoked_at, t.expires_at
        )
        SELECT t.id, {GOOD} AS good FROM moved t ORDER BY t.id
        """,
        organization_id,
        token_id,
        parent_id,
        limit,
        *([] if link_id is None else [link_id]),
    )
    return len(rows), [row["id"] for row in rows if row["good"]]


async def forget_replacement(connection: Connection, organization_id: UUID, token_id: UUID) -> None:
    """Forget what took a token's place."""
    await connection.execute(
        "token_trees.forget_replacement",
        "UPDATE tokens SET replaced_by_id = NULL WHERE organization_id = $1 AND id = $2",
        organization_id,
        token_id,
    )


async def replace(
    connection: Connection, organization_id: UUID, token_id: UUID, replaced_by_id: UUID, seconds: int
) -> datetime:
    """Note what took a token's place, and let it end after some seconds, unless it does before; return when."""
    row = await connection.fetch_one(
        "token_trees.replace",
        """
        UPDATE tokens SET replaced_by_id = $3, expires_at = LEAST(expires_at, now() + make_interval(secs => $4))
        WHERE organization_id = $1 AND id = $2
        RETURNING expires_at
        """,
        organization_id,
        token_id,
        replaced_by_id,
        seconds,
    )
    expires_at: datetime = row["expires_at"]
    return expires_at
