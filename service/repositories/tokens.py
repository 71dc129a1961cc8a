"""Statements on tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.identity import Caller
from service.repositories import revisions
from service.repositories.ordering import LAST, Column, Order, Orders, Rows, Span, fetch_page, never, not_yet
from service.repositories.times import bounded
from service.repositories.users import role_of
from service.values.instants import FIRST

ACTIVE: Final = "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AND NOT u.disabled"
"""The condition that the token t of the user u may be used."""


async def find_active(connection: Connection, digests: Sequence[bytes]) -> list[Caller]:
    """Return the callers of tokens by SHA-256 digest, without those expired, revoked, or of disabled users.

    A role that this version does not know is a member's, which may least: strangers share the statement, and a newer
    version may be in service beside this one. One digest has a statement of its own: PostgreSQL would plan the other
    anew each time, as it takes the plan for some array to be dearer than that for an array of one; 0.32 ms, not 0.07.
    """
    if len(digests) == 1:
        rows = await connection.fetch("tokens.find_active", FIND_ACTIVE_ONE, digests[0])
    else:
        rows = await connection.fetch("tokens.find_active", FIND_ACTIVE_EACH, digests)
    return [
        Caller(role_of(role), scopes, organization_id, user_id, username, key, digest, tuple(state), now)
        for digest, key, organization_id, user_id, username, role, scopes, state, now in rows
    ]


_FIND_ACTIVE: Final = f"""
    SELECT t.digest, t.id, t.organization_id, t.user_id, u.username, u.role, t.scopes,
           {revisions.OF_USER} AS revisions, now() AS now
    FROM tokens t
    JOIN users u ON u.organization_id = t.organization_id AND u.id = t.user_id
    WHERE {ACTIVE} AND t.digest
"""
FIND_ACTIVE_ONE: Final = f"{_FIND_ACTIVE} = $1"
FIND_ACTIVE_EACH: Final = f"{_FIND_ACTIVE} = ANY ($1)"


@dataclass(frozen=True, slots=True)
class Token:
    """A token that has not been revoked, without its secret, of which only a digest is stored."""

    id: UUID
    user_id: UUID
    username: str
    name: str
    scopes: int | None
    expires_at: datetime | None
    created_at: datetime
    last_used_at: datetime | None


_TOKENS: Final = f"""
    SELECT t.id, t.user_id, u.username, t.name, t.scopes, {bounded("t.expires_at")}, {bounded("t.created_at")},
           {bounded("t.last_used_at")}
    FROM tokens t
    JOIN users u ON u.organization_id = t.organization_id AND u.id = t.user_id
    WHERE t.organization_id = $1 AND t.revoked_at IS NULL
"""


async def find(connection: Connection, organization_id: UUID, token_id: UUID) -> Token | None:
    """Return a token by its id, None if there is none or it was revoked."""
    row = await connection.fetch_row("tokens.find", f"{_TOKENS} AND t.id = $2", organization_id, token_id)
    return Token(*row) if row else None


_ID: Final = Column("t.id", "uuid")

ORDERS: Final = Orders(
    "-created_at",
    {
        "created_at": Order((Column("t.created_at", "timestamptz"), _ID), lambda token: (token.created_at, token.id)),
        "expires_at": Order((never("t.expires_at"), _ID), lambda token: (token.expires_at or LAST, token.id)),
        "last_used_at": Order((not_yet("t.last_used_at"), _ID), lambda token: (token.last_used_at or FIRST, token.id)),
        "name": Order((Column("t.name"), _ID), lambda token: (token.name, token.id)),
        "username": Order((Column("lower(u.username)"), _ID), lambda token: (token.username.lower(), token.id)),
    },
)
"""The orders of tokens."""


@dataclass(frozen=True, slots=True)
class TokenFilters:
    """The conditions of a list of tokens."""

    user_id: UUID | None = None
    """The user whose they are; None: of the whole organization."""
    unused_for: timedelta | None = None
    """The time for which they have not been used, or not been there."""
    expires_after: datetime | None = None
    expires_before: datetime | None = None
    endless: bool = False
    """True for those that never end."""
    of_disabled: bool = False
    """True for those of disabled users."""
    unscoped: bool = False
    """True for those without scopes, which may all that their user may."""


async def page(connection: Connection, organization_id: UUID, filters: TokenFilters, span: Span) -> Rows[Token]:
    """Return a page of tokens that have not been revoked."""
    conditions: list[tuple[str, object]] = [
        ("t.user_id = {}", filters.user_id),
        ("coalesce(t.last_used_at, t.created_at) < now() - {}::interval", filters.unused_for),
        ("t.expires_at > {}", filters.expires_after),
        ("t.expires_at < {}", filters.expires_before),
    ]
    wanted = [(condition, value) for condition, value in conditions if value is not None]
    stated = [
        *(["t.expires_at IS NULL"] if filters.endless else []),
        *(["u.disabled"] if filters.of_disabled else []),
        *(["t.scopes IS NULL"] if filters.unscoped else []),
        *(condition.format(f"${number}") for number, (condition, _) in enumerate(wanted, 2)),
    ]
    return await fetch_page(
        connection,
        "tokens.page",
        " AND ".join([_TOKENS, *stated]),
        (organization_id, *(value for _, value in wanted)),
        span,
        lambda row: Token(*row),
    )


_TREES: Final = 0x746F6B65  # "toke": any number that nothing else locks


async def share_trees(connection: Connection, organization_id: UUID) -> None:
    """Keep an organization's trees of tokens as they are until the transaction ends, but for leaves that others add.

    A token's tree is what was made with it, and so on. So nothing is made with a token while it is revoked.
    """
    statement = "SELECT pg_advisory_xact_lock_shared($1, $2)"
    await connection.execute("tokens.share_trees", statement, _TREES, _key(organization_id))


async def lock_trees(connection: Connection, organization_id: UUID) -> None:
    """Have an organization's trees of tokens alone until the transaction ends, to change one.

    A statement that begins behind this one sees every descendant.
    """
    statement = "SELECT pg_advisory_xact_lock($1, $2)"
    await connection.execute("tokens.lock_trees", statement, _TREES, _key(organization_id))


def _key(organization_id: UUID) -> int:
    """Return what an organization's lock is called; two of the same name would only wait for each other."""
    return int.from_bytes(organization_id.bytes[-4:], signed=True)


_GOOD: Final = "t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())"

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

    id: UUID
    scopes: int | None
    expires_at: datetime | None
    generation: int
    """1 for a token without a parent, 2 for one made with such a token."""


async def find_maker(connection: Connection, organization_id: UUID, token_id: UUID) -> Maker | None:
    """Return a token that may be used right now; None if it no longer may."""
    row = await connection.fetch_row(
        "tokens.find_maker",
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
    replaced_by_id: UUID | None
    made_by_caller: bool
    """True if it was made with the token of the call, or with one made with that."""


async def find_in_tree(
    connection: Connection, organization_id: UUID, token_id: UUID, caller_token_id: UUID
) -> TokenInTree | None:
    """Return a token by its id, None if there is none or it was revoked."""
    row = await connection.fetch_row(
        "tokens.find_in_tree",
        f"""
        WITH RECURSIVE {_ANCESTORS}
        SELECT found.*,
               coalesce(found.expires_at <= now(), false) AS expired, tree.parent_id, tree.replaced_by_id,
               EXISTS (SELECT FROM ancestors a WHERE a.id = $3 AND a.id <> $2)
        FROM ({_TOKENS} AND t.id = $2) found
        JOIN tokens tree ON tree.organization_id = $1 AND tree.id = found.id
        """,
        organization_id,
        token_id,
        caller_token_id,
    )
    return TokenInTree(Token(*row[:8]), *row[8:]) if row else None


async def find_descendants(connection: Connection, organization_id: UUID, token_id: UUID) -> list[UUID]:
    """Return the tokens that are good, and were made with one, or with one of these; and what took its place.

    Each is looked up by its index, whatever the planner expects, as others decide how many there are, and how deep: it
    would expect few, and read the whole table for each generation. Whether a token is good is asked behind that: beside
    the lookup, it had an empty table planned by the index of good tokens, which is then read whole for each of many.
    """
    rows = await connection.fetch(
        "tokens.find_descendants",
        f"""
        -- The token itself, what took its place, whatever became of that, and the good ones made with any of these.
        WITH RECURSIVE found AS (
            SELECT t.id, t.replaced_by_id, {_GOOD} AS good
            FROM tokens t
            WHERE t.organization_id = $1 AND t.id = $2
            UNION
            SELECT n.id, n.replaced_by_id, n.good
            FROM found f
            CROSS JOIN LATERAL (
                (SELECT t.id, t.replaced_by_id, {_GOOD} AS good, true AS follows
                 FROM tokens t
                 WHERE t.organization_id = $1 AND t.id = f.replaced_by_id
                 OFFSET 0)
                UNION ALL
                (SELECT t.id, t.replaced_by_id, {_GOOD}, {_GOOD}
                 FROM tokens t
                 WHERE t.organization_id = $1 AND t.parent_id = f.id
                 OFFSET 0)
            ) n
            WHERE n.follows
        )
        SELECT f.id FROM found f WHERE f.good AND f.id <> $2
        """,
        organization_id,
        token_id,
    )
    return [row["id"] for row in rows]


async def insert(
    connection: Connection,
    organization_id: UUID,
    token_id: UUID,
    user_id: UUID,
    name: str,
    digest: bytes,
    scopes: int | None,
    expires_at: datetime | None,
    parent_id: UUID | None,
) -> datetime:
    """Insert a token by its digest, with the token that it is made with; return the time of that."""
    row = await connection.fetch_one(
        "tokens.insert",
        """
        INSERT INTO tokens (organization_id, id, user_id, name, digest, scopes, expires_at, parent_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        RETURNING created_at
        """,
        organization_id,
        token_id,
        user_id,
        name,
        digest,
        scopes,
        expires_at,
        parent_id,
    )
    created_at: datetime = row["created_at"]
    return created_at


async def lock(connection: Connection, organization_id: UUID, token_ids: Sequence[UUID]) -> list[Token]:
    """Lock tokens, and return those of them that have not been revoked; by id, the order in which all lock them."""
    rows = await connection.fetch(
        "tokens.lock",
        f"""
        WITH locked AS (
            SELECT t.*
            FROM tokens t
            WHERE t.organization_id = $1 AND t.revoked_at IS NULL AND t.id = ANY ($2)
            ORDER BY t.id FOR NO KEY UPDATE
        )
        SELECT t.id, t.user_id,
               (SELECT u.username FROM users u WHERE u.organization_id = $1 AND u.id = t.user_id) AS username,
               t.name, t.scopes, {bounded("t.expires_at")}, {bounded("t.created_at")}, {bounded("t.last_used_at")}
        FROM locked t
        ORDER BY t.id
        """,
        organization_id,
        token_ids,
    )
    return [Token(*row) for row in rows]


async def revoke(connection: Connection, organization_id: UUID, token_ids: Sequence[UUID]) -> None:
    """Revoke tokens that are locked."""
    await connection.execute(
        "tokens.revoke",
        "UPDATE tokens SET revoked_at = now() WHERE organization_id = $1 AND id = ANY ($2)",
        organization_id,
        token_ids,
    )


async def move_children(
    connection: Connection, organization_id: UUID, token_id: UUID, parent_id: UUID | None
) -> list[UUID]:
    """Put another token, or none, in the place of one as the parent of its children; return which are still good."""
    rows = await connection.fetch(
        "tokens.move_children",
        f"""
        WITH moved AS (
            UPDATE tokens t SET parent_id = $3 WHERE t.organization_id = $1 AND t.parent_id = $2
            RETURNING t.id, t.revoked_at, t.expires_at
        )
        SELECT t.id FROM moved t WHERE {_GOOD} ORDER BY t.id
        """,
        organization_id,
        token_id,
        parent_id,
    )
    return [row["id"] for row in rows]


async def forget_replacement(connection: Connection, organization_id: UUID, token_id: UUID) -> None:
    """Forget what took a token's place."""
    await connection.execute(
        "tokens.forget_replacement",
        "UPDATE tokens SET replaced_by_id = NULL WHERE organization_id = $1 AND id = $2",
        organization_id,
        token_id,
    )


async def replace(
    connection: Connection, organization_id: UUID, token_id: UUID, replaced_by_id: UUID, seconds: int
) -> datetime:
    """Note what took a token's place, and let it end after some seconds, unless it does before; return when."""
    row = await connection.fetch_one(
        "tokens.replace",
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


async def end_by(
    connection: Connection, organization_id: UUID, token_ids: Sequence[UUID], latest: datetime
) -> list[tuple[UUID, datetime | None]]:
    """Let none of some tokens live beyond a time; return those that would have, and when they would have ended."""
    rows = await connection.fetch(
        "tokens.end_by",
        f"""
        -- By id, the order in which all lock tokens.
        WITH longer AS MATERIALIZED (
            SELECT t.id, t.expires_at
            FROM tokens t
            WHERE t.organization_id = $1 AND t.id = ANY ($2) AND (t.expires_at IS NULL OR t.expires_at > $3)
            ORDER BY t.id FOR NO KEY UPDATE
        ),
        ended AS (
            UPDATE tokens t SET expires_at = $3 FROM longer l WHERE t.organization_id = $1 AND t.id = l.id
        )
        SELECT l.id, {bounded("l.expires_at")} FROM longer l ORDER BY l.id
        """,
        organization_id,
        token_ids,
        latest,
    )
    return [(row[0], row[1]) for row in rows]


async def note_use(connection: Connection, used: Sequence[tuple[UUID, UUID, datetime]]) -> None:
    """Update the last use of tokens, each by organization, id and time, unless it is known to within a minute.

    Strangers' tokens share the statement, and other processes note the same ones: it waits for no lock, and leaves
    alone what is locked.
    """
    await connection.execute(
        "tokens.note_use",
        """
        -- A minute's precision saves a write, and a version of the row, for most requests.
        WITH noted AS MATERIALIZED (
            SELECT t.organization_id, t.id, used.at
            FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS used (organization_id, id, at)
            JOIN tokens t ON t.organization_id = used.organization_id AND t.id = used.id
            WHERE t.last_used_at IS NULL OR t.last_used_at < used.at - interval '1 minute'
            FOR NO KEY UPDATE OF t SKIP LOCKED
        )
        UPDATE tokens t SET last_used_at = noted.at
        FROM noted
        WHERE t.organization_id = noted.organization_id AND t.id = noted.id
        """,
        *zip(*used, strict=True),
    )
