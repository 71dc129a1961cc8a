"""Statements on users."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from service.database.pool import Connection
from service.errors import AlreadyExists
from service.permissions import Role
from service.repositories.ordering import Column, Order, Orders, Rows, Span, fetch_page
from service.repositories.texts import folded
from service.repositories.times import bounded
from service.values.casefold import casefold
from service.values.names import name_key


@dataclass(frozen=True, slots=True)
class User:
    """A user."""

    id: UUID
    username: str
    role: Role
    disabled: bool
    created_at: datetime
    display_name: str | None = None
    email: str | None = None
    provisioned: bool = False
    """True if provisioning manages them, as of the statement's beginning; under a lock: see require_unmanaged."""


COLUMNS: Final = f"""
    u.id, u.username, u.role, u.disabled, {bounded("u.created_at")} AS created_at, u.display_name, u.email,
    EXISTS (
        SELECT FROM provisioned_users managed
        WHERE managed.organization_id = u.organization_id AND managed.user_id = u.id AND NOT managed.deprovisioned
    ) AS provisioned
"""
"""The columns of users u that make a User."""


_SORTED: Final = 200
"""Characters of a key by which users are sorted, so that one fits into a page token: folded, some become eighteen."""
_USERNAME: Final = Column("lower(u.username)")

ORDERS: Final = Orders(
    "username",
    {
        "username": Order((_USERNAME,), lambda user: (user.username.lower(),)),
        "display_name": Order(
            (Column(f"left(coalesce(u.display_name_key, ''), {_SORTED})"), _USERNAME),
            lambda user: (name_key(user.display_name or "")[:_SORTED], user.username.lower()),
        ),
        "email": Order(
            (Column(f"left(coalesce(u.email_key, ''), {_SORTED})"), _USERNAME),
            lambda user: (name_key(user.email or "")[:_SORTED], user.username.lower()),
        ),
        "role": Order((Column("u.role"), _USERNAME), lambda user: (user.role.value, user.username.lower())),
        "created_at": Order(
            (Column("u.created_at", "timestamptz"), _USERNAME), lambda user: (user.created_at, user.username.lower())
        ),
    },
)
"""The orders of users; all but that by name only for callers who see the rest."""


def role_of(name: str) -> Role:
    """Return the role of a name; a member's, which may least, if this version does not know it."""
    return _ROLES.get(name, Role.MEMBER)


_ROLES: Final = {role.value: role for role in Role}


def user_of(row: asyncpg.Record | Sequence[Any]) -> User:
    """Return the user of a row of COLUMNS."""
    key, username, role, disabled, created_at, display_name, email, provisioned = row
    return User(key, username, role_of(role), disabled, created_at, display_name, email, provisioned)


async def find_by_name(connection: Connection, organization_id: UUID, username: str) -> User | None:
    """Return a user by name, regardless of case."""
    row = await connection.fetch_row(
        "users.find_by_name",
        f"SELECT {COLUMNS} FROM users u WHERE u.organization_id = $1 AND lower(u.username) = {folded(2)}",
        organization_id,
        username,
    )
    return user_of(row) if row else None


@dataclass(frozen=True, slots=True)
class UserFilters:
    """The conditions of a list of users."""

    name: str | None = None
    """A part of the username, regardless of case."""
    text: str | None = None
    """A part of the username, display name or email, regardless of case."""
    whole: bool = False
    """True if the caller sees more than usernames: else nothing else is searched, as it would be told by that."""

    @property
    def values(self) -> tuple[str | None, str | None, bool]:
        """The statement's parameters from $2 on."""
        return _key(self.name), _key(self.text), self.whole


def _key(text: str | None) -> str | None:
    return None if text is None else casefold(text)


async def page(connection: Connection, organization_id: UUID, filters: UserFilters, span: Span) -> Rows[User]:
    """Return a page of users."""
    return await fetch_page(
        connection,
        "users.page",
        f"""
        SELECT {COLUMNS}
        FROM users u
        WHERE u.organization_id = $1
          AND ($2::text IS NULL OR position($2 IN lower(u.username)) > 0)
          AND ($3::text IS NULL OR position($3 IN lower(u.username)) > 0
               OR ($4 AND (position($3 IN u.display_name_key) > 0 OR position($3 IN u.email_key) > 0)))
        """,
        (organization_id, *filters.values),
        span,
        user_of,
    )


async def insert(
    connection: Connection,
    organization_id: UUID,
    user_id: UUID,
    username: str,
    role: Role,
    display_name: str | None = None,
    email: str | None = None,
) -> User:
    """Insert a user.

    Raises:
        AlreadyExists: there is one of that name, regardless of case.
    """
    try:
        row = await connection.fetch_one(
            "users.insert",
            f"""
            INSERT INTO users AS u (
                organization_id, id, username, role, display_name, display_name_key, email, email_key
            )
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            RETURNING {COLUMNS}
            """,
            organization_id,
            user_id,
            username,
            role.value,
            *_named(display_name, email),
        )
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "deleted_users_username_unique":
            raise AlreadyExists(
                f"There was a user called {username}, regardless of case, who was deleted: the name stays theirs in the"
                " audit trail. Choose another."
            ) from error
        if error.constraint_name != "users_username_unique":
            raise
        raise AlreadyExists(f"There is a user called {username}, regardless of case.") from error
    return user_of(row)


async def lock_with_administrators(
    connection: Connection, organization_id: UUID, user_id: UUID, caller_id: UUID
) -> list[User]:
    """Lock a user, and the administrators who are not disabled: none is demoted or disabled meanwhile.

    And the caller, who was an administrator, in the order of all of them, as the proof of their authority locks them.

    Returns:
        all of them, as they are now.
    """
    rows = await connection.fetch(
        "users.lock_with_administrators",
        f"""
        SELECT {COLUMNS}
        FROM users u
        WHERE u.organization_id = $1
          AND u.id = ANY (ARRAY(
              SELECT a.id FROM users a WHERE a.organization_id = $1 AND a.role = 'admin' AND NOT a.disabled
              UNION
              SELECT unnest(ARRAY[$2, $3]::uuid[])
          ))
        ORDER BY u.id FOR NO KEY UPDATE
        """,
        organization_id,
        user_id,
        caller_id,
    )
    return [user_of(row) for row in rows]


async def update(connection: Connection, organization_id: UUID, user: User) -> None:
    """Update a locked user, all but their name."""
    await connection.execute(
        "users.update",
        """
        UPDATE users
        SET role = $3, disabled = $4, display_name = $5, display_name_key = $6, email = $7, email_key = $8
        WHERE organization_id = $1 AND id = $2
        """,
        organization_id,
        user.id,
        user.role.value,
        user.disabled,
        *_named(user.display_name, user.email),
    )


def _named(display_name: str | None, email: str | None) -> tuple[str | None, str | None, str | None, str | None]:
    """Return the columns of a display name and an email, each with its key."""
    keys = (None if name is None else name_key(name) for name in (display_name, email))
    return display_name, next(keys), email, next(keys)


async def now(connection: Connection) -> datetime:
    """Return the time by the database's clock, by which grants and tokens expire."""
    row = await connection.fetch_one("users.now", "SELECT now()")
    moment: datetime = row[0]
    return moment
