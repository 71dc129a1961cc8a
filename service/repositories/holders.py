"""Statements on the users that hold an access on a pipeline, by grants or by their role."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from service.database.pool import Connection
from service.permissions import FULL_ACCESS, MANAGER, READ, Role
from service.repositories import examining
from service.repositories.examining import Source, few_or_examined
from service.repositories.granted import grants_of
from service.repositories.ordering import MAX_COUNTED, Column, Order, Orders, Rows, Span
from service.repositories.users import role_of


@dataclass(frozen=True, slots=True)
class GrantedUser:
    """A user, with the union of what is granted to them and their groups on one pipeline."""

    username: str
    role: Role
    granted: int


ORDERS: Final = Orders(
    "username", {"username": Order((Column("lower(u.username)"),), lambda user: (user.username.lower(),))}
)
"""The orders of the users with access to a pipeline."""


async def page(
    connection: Connection, organization_id: UUID, pipeline_id: UUID, holding: int, span: Span
) -> Rows[GrantedUser]:
    """Return a page of the users that hold an access on a pipeline by grants or role.

    Disabled users hold nothing.

    Args:
        holding: the permissions that they hold at least.
    """
    part = FULL_ACCESS if holding == READ else MANAGER | (holding & ~READ)  # of each grant that can give it
    arguments = (organization_id, pipeline_id, holding, part)
    after = [] if span.after is None else [*map(str, span.after)]
    behind = f"AND {span.order.behind(6)}" if after else ""
    statement = page_statement(span.order, examining.MAX_EXAMINED, behind)
    rows = await connection.fetch("holders.page", statement, *arguments, span.size + 1, *after)
    total = None
    if span.total:
        whole = page_statement(span.order, examining.MAX_EXAMINED + 1)
        total = await examining.count_examined(connection, "holders.page_total", whole, (*arguments, MAX_COUNTED + 1))
    return examining.rows_of(
        [tuple(row) for row in rows], span, lambda row: GrantedUser(row[0], role_of(row[1]), row[2]), total
    )


def page_statement(order: Order, limit: int, behind: str = "") -> str:
    """Return the statement of a page of the users with access to a pipeline, whose rows are those of `examined`.

    The parameters are the organization, the pipeline, the permissions that the users hold at least, those of which a
    grant has one that can give them, how many rows are wanted, and the parts of the key behind which the page begins.
    """
    return few_or_examined(
        Source(
            "users",
            "u",
            "u.organization_id = $1",
            f"""
            NOT u.disabled
            AND (u.role <> 'member' OR found.access & {MANAGER} = {MANAGER} OR found.access & $3 = $3) IS TRUE
            """,
            "u.username, u.role, coalesce(u.access, 0) AS access",
            "",
            f"""
            CROSS JOIN LATERAL (
                SELECT bit_or(g.access) AS access FROM ({grants_of("$1", "u.id")}) g WHERE g.pipeline_id = $2
            ) found
            """,
        ),
        order,
        limit,
        behind,
        few="""
            SELECT u.id FROM users u WHERE u.organization_id = $1 AND u.role <> 'member'
            UNION ALL
            SELECT ug.user_id FROM user_grants ug
            WHERE ug.organization_id = $1 AND ug.pipeline_id = $2 AND ug.access & $4 <> 0
            UNION ALL
            SELECT m.user_id FROM group_grants gg
            JOIN memberships m ON m.organization_id = gg.organization_id AND m.group_id = gg.group_id
            WHERE gg.organization_id = $1 AND gg.pipeline_id = $2 AND gg.access & $4 <> 0
        """,
        everything="false",
        wanted="$5",
    )
