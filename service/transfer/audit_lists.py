"""The audit trail of an import: who and what it let in, complete, in many rows, made by the merging statement.

Of the rest, which gives nobody any access, the counts are enough.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from service.permissions import SCOPE_BITS
from service.repositories.audit_lists import GRANT_FIELDS, LARGEST, timestamp

_SCOPES: Final = ", ".join(f"CASE WHEN g.scopes & {bit} > 0 THEN '{name}' END" for name, bit in SCOPE_BITS.items())
_USER: Final = "JOIN users u ON u.organization_id = g.organization_id AND u.id = g.user_id"
_GROUP: Final = "JOIN groups r ON r.organization_id = g.organization_id AND r.id = g.group_id"
_PIPELINE: Final = "JOIN pipelines p ON p.organization_id = g.organization_id AND p.id = g.pipeline_id"
_ON: Final = "'pipeline', json_build_object('id', p.id, 'name', p.name)"
"""The pipeline of a grant; the feed of changes goes by the ids, as names change."""


class ImportedList(NamedTuple):
    """The audit trail's entry for each row `g` that was written to a table."""

    columns: str
    """The columns that it takes, of a written row `t`."""
    item: str
    """Of the type json: texts are put together and parsed once for a list, in two thirds of the time of jsonb."""
    joined: str = ""
    """Other tables. In the one that is written, the statement sees the rows as they were before."""
    former: str | None = None
    """The state that a row had before, for those that were there."""


IMPORTED_LISTS: Final[Mapping[str, ImportedList]] = {
    "users": ImportedList(
        "t.id, t.username, t.role, t.disabled, t.display_name, t.email",
        "json_strip_nulls(json_build_object('id', g.id, 'username', g.username, 'role', g.role, 'disabled', g.disabled,"
        " 'display_name', g.display_name, 'email', g.email))",
        "LEFT JOIN users former ON former.organization_id = g.organization_id AND former.id = g.id",
        """
        CASE WHEN former.id IS NOT NULL THEN
            json_build_object('id', former.id, 'role', former.role, 'disabled', former.disabled)
        END
        """,
    ),
    "pipelines": ImportedList(
        "t.id, t.name",
        "json_build_object('id', g.id, 'name', g.name, 'created', former.id IS NULL)",
        "LEFT JOIN pipelines former ON former.organization_id = g.organization_id AND former.id = g.id",
    ),
    "tokens": ImportedList(
        "t.id, t.user_id, t.name, t.scopes, t.expires_at, t.revoked_at",
        f"""
        json_build_object(
            'id', g.id, 'username', u.username, 'name', g.name,
            'scopes', CASE WHEN g.scopes IS NOT NULL THEN array_remove(ARRAY[{_SCOPES}], NULL) END,
            'expires_at', {timestamp("g.expires_at")}, 'revoked_at', {timestamp("g.revoked_at")}
        )
        """,
        _USER,
    ),
    "identity_links": ImportedList(
        "t.id, t.user_id, t.issuer, t.subject",
        "json_build_object('id', g.id, 'username', u.username, 'issuer', g.issuer, 'subject', g.subject)",
        _USER,
    ),
    "memberships": ImportedList(
        "t.user_id, t.group_id",
        "json_build_object('group', r.name, 'member', u.username)",
        f"{_USER} {_GROUP}",
    ),
    "user_grants": ImportedList(
        "t.user_id, t.pipeline_id, t.access, t.expires_at",
        f"json_build_object({_ON}, 'to', 'user:' || u.username, 'to_id', u.id, {GRANT_FIELDS})",
        f"{_USER} {_PIPELINE}",
    ),
    "group_grants": ImportedList(
        "t.group_id, t.pipeline_id, t.access, t.expires_at",
        f"json_build_object({_ON}, 'to', 'group:' || r.name, 'to_id', r.id, {GRANT_FIELDS})",
        f"{_GROUP} {_PIPELINE}",
    ),
}
"""Lists by table."""


def counted(table: str, merge: str) -> str:
    """Return a merging statement that counts what it wrote by organization, and lists it in the trail.

    Args:
        table: that it fills.
        merge: the statement, as `Merge.statement` composes it: it returns the organization of every row written.
    """
    listed = IMPORTED_LISTS.get(table)
    if listed is None:
        return f"WITH merged AS ({merge}) SELECT organization_id, count(*) FROM merged GROUP BY 1"
    before = f"json_build_object('{table}', json_agg(former) FILTER (WHERE former IS NOT NULL))::jsonb"
    before = f"CASE WHEN count(former) > 0 THEN {before} END"
    return f"""
        WITH merged AS ({merge}, {listed.columns}), listed AS (
            INSERT INTO audit (organization_id, actor, action, target, before, after)
            SELECT organization_id, 'command line', 'import.{table}', 'organization:' || organization_id,
                   {before}, json_build_object('{table}', json_agg(item))::jsonb
            FROM (
                SELECT g.organization_id, {listed.item} AS item, {listed.former or "NULL::json"} AS former,
                       (row_number() OVER (PARTITION BY g.organization_id) - 1) / {LARGEST} AS part
                FROM merged g {listed.joined}
            ) items
            GROUP BY organization_id, part
        )
        SELECT organization_id, count(*) FROM merged GROUP BY 1
    """
