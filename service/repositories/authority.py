"""The proof of a caller's authority: what their permissions rest on, read and locked in the transaction that writes."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from service.database.pool import Connection
from service.identity import Caller


class Authority(NamedTuple):
    """The facts that a caller's permissions rest on; they stay so until the transaction ends."""

    role: str
    scopes: int | None
    username: str
    revisions: Sequence[int]
    """Of the user and, for a member, of their groups, in ascending order."""


def _prove(lock: str, organization: str = "SELECT 1") -> str:
    # Each step is MATERIALIZED and counted by the next one, so that locks are taken in one order whatever the plan:
    # organization, groups by id, user, token, as the triggers that bump revisions do.
    return f"""
        WITH held_organization AS MATERIALIZED (
            {organization}
        ), held_groups AS MATERIALIZED (
            -- A member's groups: only a member's permissions rest on grants.
            SELECT g.revision
            FROM memberships m
            JOIN groups g ON g.organization_id = m.organization_id AND g.id = m.group_id
            WHERE m.organization_id = $1 AND m.user_id = $2 AND $4 AND (SELECT count(*) FROM held_organization) >= 0
            ORDER BY g.id
            {lock} OF g
        ), held_user AS MATERIALIZED (
            -- Memberships are not locked: who changes them draws a new revision for the user.
            SELECT u.role, u.username, u.revision
            FROM users u
            WHERE u.organization_id = $1 AND u.id = $2 AND NOT u.disabled
              -- Both, as the groups of others than members are not looked for, nor what comes before them.
              AND (SELECT count(*) FROM held_organization) >= 0 AND (SELECT count(*) FROM held_groups) >= 0
            {lock}
        ), held_token AS MATERIALIZED (
            SELECT t.scopes
            FROM tokens t
            WHERE t.digest = $3 AND t.organization_id = $1 AND t.user_id = $2 AND t.revoked_at IS NULL
              AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
              AND (SELECT count(*) FROM held_user) > 0
            {lock}
        )
        SELECT u.role, t.scopes, u.username,
               ARRAY(SELECT u.revision UNION ALL SELECT g.revision FROM held_groups g ORDER BY 1) AS revisions
        FROM held_token t CROSS JOIN held_user u
    """


PROVE: Final = _prove("FOR SHARE")
"""For changes that draw no new revision for the caller: any number of them run at once."""
PROVE_ALONE: Final = _prove("FOR NO KEY UPDATE")
"""For changes that may draw one: two of one caller would wait for each other's shared lock for ever."""
PROVE_WITH_ORGANIZATION: Final = _prove("FOR NO KEY UPDATE", "SELECT hold_organization($1)")
"""For changes that draw one for the organization too, which is locked ahead of users."""


async def prove(connection: Connection, caller: Caller, statement: str) -> Authority | None:
    """Lock what a caller's authority rests on, and return it as it is now; None if the token can't be used any more.

    A revocation that was committed before is seen; a later one waits for this transaction's end.
    """
    row = await connection.fetch_row(
        "authority.prove",
        statement,
        caller.organization_id,
        caller.user_id,
        caller.digest,
        caller.role == "member",
    )
    return None if row is None else Authority(row["role"], row["scopes"], row["username"], row["revisions"])
