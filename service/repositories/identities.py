"""Statements on links: which user is known to an identity provider, its issuer, by which subject."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.errors import AlreadyExists
from service.permissions import Role
from service.repositories import revisions
from service.repositories.literals import column_literal
from service.repositories.times import bounded
from service.repositories.users import role_of


class Identity(NamedTuple):
    """Somebody as an identity provider knows them, and what its claims are mapped to.

    A tuple: every request makes one, and a column of each field goes to the database.
    """

    organization_id: UUID | None
    """The organization whose user it is; None: the one in which they are linked, if that is one alone."""
    issuer: str
    subject: str
    elevated: bool
    """True if claims give a role beyond a member's, so that the organization's revision counts."""
    groups: Sequence[str]
    """The names of the groups that claims are mapped to, in lower case."""


class LinkedUser(NamedTuple):
    """A user who may come by a link, and those groups that there are of the names which claims are mapped to.

    A tuple, as every request makes one.
    """

    link_id: UUID
    secret: bytes
    organization_id: UUID
    user_id: UUID
    username: str
    role: Role
    revisions: tuple[int, ...]
    """Of the user, their own groups and the mapped ones, and the organization's unless the user is a member."""
    groups: Sequence[tuple[UUID, str]]
    database_time: datetime


async def find_linked(connection: Connection, identities: Sequence[Identity]) -> list[LinkedUser | None]:
    """Return the user of each identity as of now; None if no user is linked, or the one who is was disabled.

    None also where no organization is named and users of several are linked to the identity. One identity has a
    statement of its own, for the reason that one token has one; see `tokens.find_active`.
    """
    issuer = identities[0].issuer
    if not any(each.groups or each.elevated or each.issuer != issuer for each in identities):
        return await _find_plain(connection, issuer, identities)
    # Arrays of arrays are rectangular in PostgreSQL, so those of names go as literals; a single one is as fast so.
    if len(identities) == 1:
        statement = FIND_LINKED_ONE
        *first, names = identities[0]
        arguments: list[Any] = [*first, column_literal("text", names)]
    else:
        statement = FIND_LINKED_EACH
        *known, all_names = zip(*identities, strict=True)
        columns = (range(len(identities)), *known, [column_literal("text", names) for names in all_names])
        arguments = [*map(column_literal, _TYPES, columns)]
    found: list[LinkedUser | None] = [None] * len(identities)
    seen: set[int] = set()
    for row in await connection.fetch("identities.find_linked", statement, *arguments):
        number, link_id, secret, organization_id, user_id, username, role, state, now, ids, names = row
        groups = [*zip(ids, names, strict=True)]
        linked = LinkedUser(
            link_id, secret, organization_id, user_id, username, role_of(role), tuple(state), groups, now
        )
        found[number] = None if number in seen else linked
        seen.add(number)
    return found


async def _find_plain(connection: Connection, issuer: str, identities: Sequence[Identity]) -> list[LinkedUser | None]:
    """Return the users of identities of one issuer, as `find_linked` does, of whom no claim is mapped to anything.

    By a statement that costs what one on tokens does, half of the one for any: without a row for each identity, so that
    what belongs together is found here.
    """
    if len(identities) == 1:
        rows = await connection.fetch("identities.find_plain", FIND_PLAIN_ONE, issuer, identities[0].subject)
    else:
        subjects = column_literal("text", [each.subject for each in identities])
        rows = await connection.fetch("identities.find_plain", FIND_PLAIN_EACH, issuer, subjects)
    by_subject: dict[str, list[LinkedUser]] = {}
    for subject, link_id, secret, organization_id, user_id, username, role, state, now in rows:
        by_subject.setdefault(subject, []).append(
            LinkedUser(link_id, secret, organization_id, user_id, username, role_of(role), tuple(state), (), now)
        )
    return [_only(by_subject.get(each.subject, ()), each.organization_id) for each in identities]


def _only(found: Sequence[LinkedUser], organization_id: UUID | None) -> LinkedUser | None:
    """Return the user of the organization, or of any if none is named; None if there are several, or none."""
    if organization_id is not None:
        found = [each for each in found if each.organization_id == organization_id]
    return found[0] if len(found) == 1 else None


_ADMINISTERS: Final = "u.role <> 'member' OR r.elevated"
_REVISIONS_OF_MAPPED: Final = """
        UNION ALL
        -- Mapped groups that are not their own, too: apart, as to unite the ids first costs each caller a sort.
        SELECT g.revision
        FROM unnest(mapped.ids) AS other (id)
        JOIN groups g ON g.organization_id = u.organization_id AND g.id = other.id
        WHERE NOT EXISTS (
            SELECT FROM memberships m
            WHERE m.organization_id = u.organization_id AND m.user_id = u.id AND m.group_id = other.id
        )
"""
_FIND_PLAIN: Final = f"""
    SELECT l.subject, l.id, l.secret, l.organization_id, l.user_id, u.username, u.role,
           {revisions.OF_USER} AS revisions, now() AS now
    FROM identity_links l
    JOIN users u ON u.organization_id = l.organization_id AND u.id = l.user_id AND NOT u.disabled
    WHERE l.issuer = $1 AND l.subject
"""
_FIND_LINKED: Final = f"""
    SELECT r.number, l.id, l.secret, l.organization_id, l.user_id, u.username, u.role,
           {revisions.of_user(_ADMINISTERS, _REVISIONS_OF_MAPPED)} AS revisions,
           now() AS now, mapped.ids, mapped.names
    FROM REQUESTED
    JOIN identity_links l
      ON l.issuer = r.issuer AND l.subject = r.subject
     AND (r.organization_id IS NULL OR l.organization_id = r.organization_id)
    JOIN users u ON u.organization_id = l.organization_id AND u.id = l.user_id AND NOT u.disabled
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(g.id ORDER BY g.id), '{{}}') AS ids,
               coalesce(array_agg(g.name ORDER BY g.id), '{{}}') AS names
        FROM groups g
        WHERE r.groups <> '{{}}' -- none is looked at where none is mapped
          AND g.organization_id = l.organization_id AND lower(g.name) = ANY (r.groups::text[])
    ) mapped
"""
_ONE: Final = (
    "(VALUES (0, $1::uuid, $2::text, $3::text, $4::boolean, $5::text))"
    " AS r (number, organization_id, issuer, subject, elevated, groups)"
)
_TYPES: Final = ("integer", "uuid", "text", "text", "boolean", "text")
_ARRAYS: Final = ", ".join(f"(SELECT ${number}::text::{kind}[])" for number, kind in enumerate(_TYPES, 1))
_EACH: Final = f"unnest({_ARRAYS}) AS r (number, organization_id, issuer, subject, elevated, groups)"
FIND_PLAIN_ONE: Final = f"{_FIND_PLAIN} = $2"
FIND_PLAIN_EACH: Final = f"{_FIND_PLAIN} = ANY ((SELECT $2::text::text[])::text[])"
FIND_LINKED_ONE: Final = _FIND_LINKED.replace("REQUESTED", _ONE)
FIND_LINKED_EACH: Final = _FIND_LINKED.replace("REQUESTED", _EACH)


@dataclass(frozen=True, slots=True)
class Link:
    """A link, by which somebody whom an identity provider knows is a user."""

    id: UUID
    username: str
    issuer: str
    subject: str
    created_at: datetime
    last_used_at: datetime | None


_LINKS: Final = f"""
    SELECT l.id, u.username, l.issuer, l.subject, {bounded("l.created_at")}, {bounded("l.last_used_at")}
    FROM identity_links l
    JOIN users u ON u.organization_id = l.organization_id AND u.id = l.user_id
    WHERE l.organization_id = $1
"""

MAX_LISTED: Final = 1000
"""Links that are listed at once."""


async def list_links(connection: Connection, organization_id: UUID, user_id: UUID | None) -> list[Link]:
    """Return the links of a user, or of all users if it is None, by username; no more than MAX_LISTED."""
    rows = await connection.fetch(
        "identities.list_links",
        f"""
        {_LINKS} AND ($2::uuid IS NULL OR l.user_id = $2)
        ORDER BY lower(u.username), l.issuer, l.subject
        LIMIT {MAX_LISTED}
        """,
        organization_id,
        user_id,
    )
    return [Link(*row) for row in rows]


async def find_link(connection: Connection, organization_id: UUID, issuer: str, subject: str) -> Link | None:
    """Return the link of an identity in an organization, if there is one."""
    row = await connection.fetch_row(
        "identities.find_link", f"{_LINKS} AND l.issuer = $2 AND l.subject = $3", organization_id, issuer, subject
    )
    return Link(*row) if row else None


async def insert(
    connection: Connection, organization_id: UUID, link_id: UUID, user_id: UUID, issuer: str, subject: str
) -> None:
    """Link an identity to a user.

    Raises:
        AlreadyExists: it is linked to a user of the organization.
    """
    try:
        await connection.execute(
            "identities.insert",
            """
            INSERT INTO identity_links (organization_id, id, user_id, issuer, subject) VALUES ($1, $2, $3, $4, $5)
            """,
            organization_id,
            link_id,
            user_id,
            issuer,
            subject,
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name != "identity_links_identity_unique":
            raise
        raise AlreadyExists(f"{subject} of {issuer} is linked to a user already: unlink them first.") from error


async def delete(connection: Connection, organization_id: UUID, link_id: UUID) -> bool:
    """Delete a link: whoever comes by it is refused from now on. Return False if it is gone."""
    row = await connection.fetch_row(
        "identities.delete",
        "DELETE FROM identity_links WHERE organization_id = $1 AND id = $2 RETURNING id",
        organization_id,
        link_id,
    )
    return row is not None


async def note_use(connection: Connection, used: Sequence[tuple[UUID, UUID, datetime]]) -> None:
    """Update the last use of links, as `tokens.note_use` does for tokens."""
    await connection.execute(
        "identities.note_use",
        """
        -- Likewise: a minute's precision, and without waiting for a lock.
        WITH noted AS MATERIALIZED (
            SELECT l.organization_id, l.id, used.at
            FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS used (organization_id, id, at)
            JOIN identity_links l ON l.organization_id = used.organization_id AND l.id = used.id
            WHERE l.last_used_at IS NULL OR l.last_used_at < used.at - interval '1 minute'
            FOR NO KEY UPDATE OF l SKIP LOCKED
        )
        UPDATE identity_links l SET last_used_at = noted.at
        FROM noted
        WHERE l.organization_id = noted.organization_id AND l.id = noted.id
        """,
        *zip(*used, strict=True),
    )


async def find_only_organization(connection: Connection) -> UUID | None:
    """Return the organization, if there is one alone."""
    rows = await connection.fetch("identities.find_only_organization", "SELECT id FROM organizations LIMIT 2")
    return rows[0]["id"] if len(rows) == 1 else None


async def find_missing_groups(connection: Connection, organization_id: UUID | None, names: Sequence[str]) -> list[str]:
    """Return those names, in lower case, that no group has: of one organization, or of any if it is None."""
    rows = await connection.fetch(
        "identities.find_missing_groups",
        """
        SELECT named.name FROM unnest($2::text[]) named (name)
        WHERE NOT EXISTS (
            SELECT FROM groups g WHERE ($1::uuid IS NULL OR g.organization_id = $1) AND lower(g.name) = named.name
        )
        ORDER BY named.name COLLATE "C"
        """,
        organization_id,
        names,
    )
    return [row["name"] for row in rows]
