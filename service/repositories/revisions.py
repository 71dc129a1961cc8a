"""The revisions of what a user may see, for statements to read or compare in the same snapshot as the rest."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final


@dataclass(frozen=True, slots=True)
class ReadVersion:
    """The state that something was read at: as long as it holds, reading it again gives the same."""

    revisions: tuple[int, ...]
    """Revisions of the user, of the organization and of each of their groups; see `of_user`."""
    expires_at: datetime | None
    """The first expiry among the grants that count; None if none of them expires."""


def of_user(administers: str = "u.role <> 'member'", others: str = "") -> str:
    """Return the SQL of the revisions of the row u of users: the user's, the organization's, and the groups' in order.

    The organization has two, one for its administrators and one for its members. None ever comes back (0005).

    Args:
        administers: the condition under which the one for administrators counts.
        others: the SQL of revisions that count beside those of groups, beginning with UNION ALL.
    """
    return f"""
    ARRAY[u.revision, coalesce((
        SELECT CASE WHEN {administers} THEN o.revision ELSE o.members_revision END
        FROM organizations o WHERE o.id = u.organization_id
    ), -1)] || ARRAY(
        SELECT g.revision
        FROM memberships m
        JOIN groups g ON g.organization_id = m.organization_id AND g.id = m.group_id
        WHERE m.organization_id = u.organization_id AND m.user_id = u.id
        {others}
        ORDER BY 1
    )
"""


OF_USER: Final = of_user()
OF_GROUPS: Final = "[3:]"
"""The slice of the array that has the revisions of groups."""
