"""The proof of a caller's authority: what their permissions rest on, read and locked in the transaction that writes.

The same statement locks whose revisions the change draws anew. The caller is often among them, or among those of
another's change: locked one after the other, two such changes would wait for each other.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import orjson

from service.database.pool import Connection
from service.identity import Caller, Provided
from service.permissions import mightier
from service.repositories.granted import grants_of
from service.repositories.times import bounded
from service.repositories.users import role_of


class Authority(NamedTuple):
    """The facts that a caller's permissions rest on; they stay so until the transaction ends."""

    role: str
    scopes: int | None
    username: str
    revisions: Sequence[int]
    """Of the user, of the organization's members and, for a member, of their groups; see revisions.py."""
    ends_in: float | None
    """Seconds from the begin of the statement until the token, or the first of a member's grants, expires.

    Of the grants that count at the begin of the transaction: it has passed if one has expired since. None: never.
    """


_OWN_GROUPS: Final = "SELECT m.group_id AS id FROM memberships m WHERE m.organization_id = $1 AND m.user_id = $2 AND $4"
_IS_OWN: Final = "g.id IN (SELECT o.id FROM own_groups o)"
_TOKEN: Final = """
            SELECT t.scopes, t.expires_at
            FROM tokens t
            WHERE t.digest = $3 AND t.organization_id = $1 AND t.user_id = $2 AND t.revoked_at IS NULL
              AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
              AND (SELECT count(*) FROM caller) > 0
            FOR SHARE
""".strip()

_LINKED: Final = {
    _OWN_GROUPS: """
            SELECT m.group_id AS id, NULL AS name
            FROM memberships m
            WHERE m.organization_id = $1 AND m.user_id = $2 AND $4
            UNION
            SELECT mapped.id, mapped.name FROM jsonb_to_recordset($3::jsonb -> 'groups') mapped (id uuid, name text)
            WHERE $4
""".strip(),
    # A group counts by the name that claims are mapped to: as it is now that its row is locked.
    _IS_OWN: "EXISTS (SELECT FROM own_groups o WHERE o.id = g.id AND (o.name IS NULL OR o.name = g.name))",
    _TOKEN: """
            SELECT NULL::smallint AS scopes, ($3::jsonb ->> 'expires_at')::timestamptz AS expires_at -- of signed claims
            FROM identity_links l
            WHERE l.organization_id = $1 AND l.user_id = $2 AND l.id = ($3::jsonb ->> 'link_id')::uuid
              AND ($3::jsonb ->> 'expires_at')::timestamptz > clock_timestamp()
              AND (SELECT count(*) FROM caller) > 0
            FOR SHARE
""".strip(),
    grants_of("$1", "c.id"): """
                   SELECT g.pipeline_id, g.access, g.expires_at FROM grants g
                   WHERE g.organization_id = $1 AND (g.user_id = c.id OR g.group_id IN (SELECT o.id FROM own_groups o))
                     AND (g.expires_at IS NULL OR g.expires_at > now())
""",
}
"""The parts that differ for a caller by an identity provider's token: $3 is what they rest on, as JSON."""


def _prove(*, organization: bool = False, groups: str = "", users: str = "") -> str:
    """Return a statement that proves a caller's authority, and locks what a change of $5 draws new revisions for.

    Args:
        organization: True if it is among these.
        groups: a statement of the groups' ids; none, if the lock on the caller's own may be shared.
        users: a statement of the users' ids, likewise.
    """
    # Each step is MATERIALIZED and counted by the next one, so that locks are taken in one order whatever the plan:
    # organization, groups by id, users by id, token, as the triggers that bump revisions do.
    return f"""
        WITH held_organization AS MATERIALIZED (
            {"SELECT hold_organization($1)" if organization else "SELECT 1"}
        ), own_groups AS MATERIALIZED (
            -- A member's: only a member's permissions rest on grants. Memberships are not locked, as a change of them
            -- draws a new revision for the user.
            {_OWN_GROUPS}
        ), held_groups AS MATERIALIZED (
            SELECT g.id, g.revision, g.name
            FROM groups g
            WHERE g.organization_id = $1
              AND g.id = ANY (ARRAY(SELECT o.id FROM own_groups o {f"UNION {groups}" if groups else ""}))
              AND (SELECT count(*) FROM held_organization) >= 0
            ORDER BY g.id
            {"FOR NO KEY UPDATE" if groups else "FOR SHARE"}
        ), held_users AS MATERIALIZED (
            SELECT u.id, u.role, u.username, u.revision, u.disabled
            FROM users u
            WHERE u.organization_id = $1
              AND u.id = ANY (ARRAY(SELECT $2::uuid {f"UNION {users}" if users else ""}))
              AND (SELECT count(*) FROM held_groups) >= 0
            ORDER BY u.id
            {"FOR NO KEY UPDATE" if users else "FOR SHARE"}
        ), caller AS MATERIALIZED (
            SELECT u.id, u.role, u.username, u.revision FROM held_users u WHERE u.id = $2 AND NOT u.disabled
        ), held_token AS MATERIALIZED (
            {_TOKEN}
        ), ending AS MATERIALIZED (
            -- Of the grants that count at the beginning of the transaction, which may have waited for locks since.
            -- Asked once all locks are held: for the caller's row.
            SELECT least(
                t.expires_at,
                CASE WHEN $4 THEN (SELECT min(g.expires_at) FROM ({grants_of("$1", "c.id")}) g) END
            ) AS at
            FROM held_token t CROSS JOIN caller c
        )
        SELECT c.role, t.scopes, c.username,
               -- The organization's is not locked: nothing that it tells of takes anything from what there still is.
               ARRAY[c.revision, coalesce((SELECT o.members_revision FROM organizations o WHERE o.id = $1), -1)]
               || ARRAY(SELECT g.revision FROM held_groups g WHERE {_IS_OWN} ORDER BY 1) AS revisions,
               extract(epoch FROM {bounded("e.at")} - statement_timestamp())::double precision AS ends_in
        FROM held_token t CROSS JOIN caller c CROSS JOIN ending e
    """


PROVE: Final = _prove()
"""For changes that draw no new revision, or for what is locked already: any number of them run at once."""
PROVE_FOR_USER: Final = _prove(users="SELECT $5::uuid")
"""For changes that draw a new revision for user $5."""
PROVE_FOR_USERS: Final = _prove(users="SELECT unnest($5::uuid[])")
"""For changes that draw new revisions for users $5."""
PROVE_FOR_GROUP: Final = _prove(groups="SELECT $5::uuid")
"""For changes that draw a new revision for group $5."""
PROVE_FOR_MEMBERS: Final = _prove(
    users="SELECT m.user_id FROM memberships m WHERE m.organization_id = $1 AND m.group_id = $5"
)
"""For changes that draw new revisions for the members of group $5, which is locked."""
PROVE_FOR_HOLDERS: Final = _prove(
    organization=True,
    groups="""
                  SELECT gg.group_id FROM group_grants gg
                  WHERE gg.organization_id = $1 AND gg.pipeline_id = $5 AND NOT is_held_by_many_groups($1, $5)
    """.strip(),
    users="""
                  SELECT ug.user_id FROM user_grants ug
                  WHERE ug.organization_id = $1 AND ug.pipeline_id = $5 AND NOT is_held_by_many_users($1, $5)
    """.strip(),
)
"""For changes that draw new revisions for the organization and for those to whom something is granted on pipeline $5,
which is locked, or is about to be made and granted to the caller. Of very many, none is locked (0033)."""


PROVE_FOR_GRANTEES: Final = _prove(groups="SELECT unnest($5::uuid[])", users="SELECT unnest($6::uuid[])")
"""For changes that draw new revisions for groups $5 and users $6."""


def _linked(statement: str) -> str:
    for part, other in _LINKED.items():
        statement = statement.replace(part, other)
    return statement


_FOR_LINKED: Final = {
    statement: _linked(statement)
    for statement in (
        *(PROVE, PROVE_FOR_USER, PROVE_FOR_USERS, PROVE_FOR_GROUP),
        *(PROVE_FOR_MEMBERS, PROVE_FOR_HOLDERS, PROVE_FOR_GRANTEES),
    )
}


def _rests_on(provided: Provided) -> str:
    """Return what the authority of a caller rests on who came by a token of an identity provider."""
    groups = [{"id": group.id, "name": group.name} for group in provided.groups]
    rests_on = {"link_id": provided.link_id, "expires_at": provided.expires_at, "groups": groups}
    return orjson.dumps(rests_on, default=str).decode()  # the UUIDs of asyncpg are of a type of their own


async def prove(
    connection: Connection, caller: Caller, statement: str, *concerned: UUID | Sequence[UUID]
) -> Authority | None:
    """Lock what a caller's authority rests on, and return it as it is now; None if the token can't be used any more.

    A revocation that was committed before is seen; a later one waits for this transaction's end.

    Args:
        connection: in the transaction.
        caller: whose authority is proved; an operator has none, and only locks what the change concerns.
        statement: one of those above.
        concerned: what the change concerns, $5 and $6, as far as the statement has them.
    """
    provided = caller.provided
    row = await connection.fetch_row(
        "authority.prove",
        statement if provided is None else _FOR_LINKED[statement],
        caller.organization_id,
        caller.user_id,
        caller.digest if provided is None else _rests_on(provided),
        caller.role == "member",
        *concerned,
    )
    if row is None or provided is None:
        return None if row is None else Authority(*row)
    role = mightier(role_of(row["role"]), provided.role)
    return Authority(*row)._replace(role=role, scopes=caller.scopes)
