"""Pre-authorized updates of jobs: one statement for a batch, in which each update is proved and made by itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, NamedTuple
from uuid import UUID

from service.database.pool import Connection
from service.repositories import revisions, tokens
from service.repositories.literals import ArrayLiteral, array_literal, column_literal


class Update(NamedTuple):
    """The whole set of pipelines that a job is to be in, and the state of caller and job at which that is allowed.

    A tuple: every update makes one, and a column of each field, in this order, goes to the database. Who the caller is
    goes not: the token tells, and no revision is that of another one.
    """

    organization_id: UUID
    job_id: str
    digest: bytes
    """SHA-256 of the caller's token."""
    scopes: int | None
    """The token's scopes, as the decision was made with them."""
    revisions: Sequence[int]
    """The caller's revisions, as the decision was made at them; see revisions.py."""
    expires_at: datetime | None
    """The first expiry among the grants that the decision rests on; None if none of them expires."""
    wanted: Sequence[UUID]
    """The pipelines' ids, in the job's own order."""
    allowed_pipelines: ArrayLiteral | None
    """The caller owns the job, or it is in some pipelines and only in these; None: any job may be updated.

    A literal, as it is made once and cached with the caller's permissions: it may have hundreds of ids.
    """
    request_id: str | None


class LinkedUpdate(NamedTuple):
    """The same by a caller of an identity provider: what it rests on is a link, and what claims are mapped to."""

    organization_id: UUID
    job_id: str
    link_id: UUID
    elevated: bool
    """True if claims give a role beyond a member's."""
    groups: ArrayLiteral
    """The groups that claims are mapped to."""
    group_names: ArrayLiteral
    """Their names, by which they are mapped."""
    revisions: Sequence[int]
    expires_at: datetime | None
    """The first expiry among the grants that the decision rests on, and the token."""
    wanted: Sequence[UUID]
    allowed_pipelines: ArrayLiteral | None
    request_id: str | None


MAX_CURRENT: Final = 50
"""Pipelines that a job is in whose update shares a statement: it takes the job out of all of them."""


class Large(Enum):
    """An update that was left out of its statement, as its job is in many pipelines; nothing else is wrong with it."""

    LARGE = "large"


Made = list[str] | Large | None
"""The names of the pipelines of a job that was updated; None: it must be decided again."""


async def update_each(connection: Connection, updates: Sequence[Update | LinkedUpdate]) -> list[Made]:
    """Make those of a batch of updates that are still allowed, each of another job and independent of the others.

    The statement verifies the caller's token and each decision in the snapshot in which it reads the job's set; then it
    locks the job, and goes on only if no other update of it was committed since: its revision would be another.

    All are of one kind, as each kind has its own proof of the caller.

    As strangers share it, it never waits for a lock. Whatever it writes, or a foreign key of what it writes refers to,
    it locks first, and an update that needs something that is locked is left alone: a job, or a pipeline that it is put
    into, taken out of or stays in. (Who holds neither can't hold an assignment between them, as these go with both.)

    Returns:
        The names of each job's pipelines. None if nothing was done, as the update must be decided again; LARGE if it
        must be alone, as that of a job in more than MAX_CURRENT pipelines is only made so.
    """
    columns: dict[str, Sequence[Any]] = dict(zip(updates[0]._fields, zip(*updates, strict=True), strict=True))
    columns["revisions"] = [*map(array_literal, columns["revisions"])]
    columns["wanted"] = [*map(array_literal, columns["wanted"])]
    is_linked = isinstance(updates[0], LinkedUpdate)
    if len(updates) == 1:
        statement = LINKED_UPDATE_ONE if is_linked else UPDATE_ONE
        rows = await connection.fetch("jobs.update_each", statement, *(column[0] for column in columns.values()))
    else:
        statement, proof = (LINKED_UPDATE_EACH, _OF_LINKS) if is_linked else (UPDATE_EACH, _OF_TOKENS)
        rows = await connection.fetch("jobs.update_each", statement, *map(column_literal, proof.sent, columns.values()))
    done: dict[int, Made] = {row["number"]: Large.LARGE if row["large"] else row["names"] for row in rows}
    return [done.get(number) for number in range(1, len(updates) + 1)]


class _Proof(NamedTuple):
    """The SQL by which callers of one kind are proved: r is an update, t what the caller comes by, u the user."""

    types: Mapping[str, str]
    """The PostgreSQL types of an update's fields, in their order; arrays come as literals."""
    revisions: str
    """The caller's revisions, as they are now."""
    credential: str
    """The table of what the caller comes by, as t."""
    found_by: str
    """The condition that finds t."""
    valid: str
    """The condition that the caller may come by t, as at the decision."""
    by_groups: str
    """The condition that what is granted to groups counts, as it does for members."""
    groups: str
    """The FROM clause, and its condition, that finds these groups, g."""

    @property
    def sent(self) -> Sequence[str]:
        """The types of the elements of the fields' columns, as these are sent for a batch."""
        return ["text" if kind.endswith("[]") else kind for kind in self.types.values()]


_OF_TOKENS: Final = _Proof(
    types={
        "organization_id": "uuid",
        "job_id": "text",
        "digest": "bytea",
        "scopes": "integer",
        "revisions": "bigint[]",
        "expires_at": "timestamptz",
        "wanted": "uuid[]",
        "allowed_pipelines": "uuid[]",
        "request_id": "text",
    },
    revisions=revisions.OF_USER,
    credential="tokens t",
    found_by="t.digest = r.digest",
    # The organization is compared, and not a way to find t: where it has few tokens, all of them would be read for each
    # update, as PostgreSQL expects that to cost no more than to find one by its digest.
    valid=f"""{tokens.ACTIVE}
          AND ((t.organization_id, coalesce(t.scopes, 0)) = (r.organization_id, coalesce(r.scopes, 0))) IS TRUE""",
    by_groups="r.role = 'member'",
    groups="""memberships m
                    JOIN groups g ON g.organization_id = m.organization_id AND g.id = m.group_id
                    WHERE m.organization_id = r.organization_id AND m.user_id = r.caller_id""",
)
_OTHER_GROUPS: Final = """
        UNION ALL
        -- Groups that claims are mapped to, as long as these are called so, and that are not their own, too.
        SELECT g.revision
        FROM unnest(r.groups, r.group_names) other (id, name)
        JOIN groups g ON g.organization_id = u.organization_id AND g.id = other.id AND g.name = other.name
        WHERE NOT EXISTS (
            SELECT FROM memberships m
            WHERE m.organization_id = u.organization_id AND m.user_id = u.id AND m.group_id = other.id
        )
"""
_OF_LINKS: Final = _Proof(  # scopes and expiry are in signed claims
    types={
        "organization_id": "uuid",
        "job_id": "text",
        "link_id": "uuid",
        "elevated": "boolean",
        "groups": "uuid[]",
        "group_names": "text[]",
        "revisions": "bigint[]",
        "expires_at": "timestamptz",
        "wanted": "uuid[]",
        "allowed_pipelines": "uuid[]",
        "request_id": "text",
    },
    revisions=revisions.of_user("u.role <> 'member' OR r.elevated", _OTHER_GROUPS),
    credential="identity_links t",
    found_by="t.organization_id = r.organization_id AND t.id = r.link_id",
    valid="NOT u.disabled AND r.expires_at > clock_timestamp()",
    by_groups="r.role = 'member' AND NOT r.elevated",
    groups="""(
                        SELECT m.group_id AS id, NULL AS name
                        FROM memberships m
                        WHERE m.organization_id = r.organization_id AND m.user_id = r.caller_id
                        UNION ALL
                        SELECT other.id, other.name
                        FROM unnest(r.groups, r.group_names) other (id, name)
                        WHERE NOT EXISTS (
                            SELECT FROM memberships m
                            WHERE m.organization_id = r.organization_id AND m.user_id = r.caller_id
                              AND m.group_id = other.id
                        )
                    ) own
                    JOIN groups g ON g.organization_id = r.organization_id AND g.id = own.id
                                 AND g.name = coalesce(own.name, g.name)""",
)


def _batch(types: Mapping[str, str]) -> str:
    """Return the SQL of a row for each update, from an array of each field, as a literal."""
    columns = (f"r.{name}::{kind}" if kind.endswith("[]") else f"r.{name}" for name, kind in types.items())
    arrays = (
        f"${number}::text::{'text' if kind.endswith('[]') else kind}[]" for number, kind in enumerate(types.values(), 1)
    )
    return (
        f"SELECT r.number, {', '.join(columns)}"
        f" FROM unnest({', '.join(arrays)}) WITH ORDINALITY AS r ({', '.join(types)}, number)"
    )


def _one(types: Mapping[str, str]) -> str:
    """Return the SQL of one update, without arrays: PostgreSQL keeps a plan for it, 0.27 ms instead of 0.53."""
    columns = (
        f"${number}::{'text::' if kind.endswith('[]') else ''}{kind} AS {name}"
        for number, (name, kind) in enumerate(types.items(), 1)
    )
    return f"SELECT 1::bigint AS number, {', '.join(columns)}"


_UPDATE: Final = """
    -- MATERIALIZED: each step is evaluated once, and what is compared under the lock is what the snapshot had.
    WITH requested AS MATERIALIZED (
        {requested}
    ), found AS MATERIALIZED (
        -- What the decisions rest on, as it is now. No row: the job is unknown, or the token can no longer be used.
        SELECT r.*, t.id AS token_id, u.id AS caller_id, u.username AS actor, u.role, u.revision AS user_revision,
               j.owner_id, j.revision,
               {proof.revisions} AS actual_revisions,
               ARRAY(
                   -- No more than tell that they are too many.
                   SELECT s.pipeline_id
                   FROM (
                       SELECT a.pipeline_id, a.position FROM assignments a
                       WHERE a.organization_id = r.organization_id AND a.job_id = r.job_id
                       LIMIT {max_current} + 1
                   ) s
                   ORDER BY s.position
               ) AS current,
               -- Each pipeline is looked up by itself, in the wanted order: NULL is one that does not exist.
               ARRAY(
                   SELECT (SELECT p.name FROM pipelines p WHERE p.organization_id = r.organization_id AND p.id = w.id)
                   FROM unnest(r.wanted) WITH ORDINALITY w (id, position)
                   ORDER BY w.position
               ) AS names
        FROM requested r
        JOIN jobs j ON j.organization_id = r.organization_id AND j.id = r.job_id
        JOIN {proof.credential} ON {proof.found_by}
        JOIN users u ON u.organization_id = t.organization_id AND u.id = t.user_id
        WHERE {proof.valid}
    ), allowed AS MATERIALIZED (
        -- The updates still allowed: they were decided before the job was read, by the permissions of that moment.
        SELECT f.*
        FROM found f
        WHERE cardinality(f.current) <= {max_current}
          AND f.revisions = f.actual_revisions
          AND (f.expires_at IS NULL OR f.expires_at > now())
          AND (
              f.owner_id = f.caller_id
              OR f.allowed_pipelines IS NULL
              OR (f.current <> '{{}}' AND f.current <@ f.allowed_pipelines)
          )
          AND array_position(f.names, NULL) IS NULL
    ), proved AS MATERIALIZED (
        -- The updates that change something, with what they rest on locked; without those of which something is locked
        -- otherwise, or gone. Rows are locked in subqueries of their own: else a copy of the update went with each row.
        SELECT r.*
        FROM allowed r
        WHERE r.current <> r.wanted AND CASE
            -- The pipelines that they leave, join or stay in, against deletion, each looked up by itself.
            WHEN cardinality(r.current || r.wanted) <> (
                SELECT count(*)
                FROM unnest(r.current || r.wanted) c (id)
                CROSS JOIN LATERAL (
                    SELECT FROM pipelines p
                    WHERE p.organization_id = r.organization_id AND p.id = c.id
                    FOR KEY SHARE SKIP LOCKED
                ) held
            ) THEN false
            -- The job. One that changed since the snapshot drops out, as PostgreSQL compares the revision once more
            -- with the row that it locks. One that is locked already is skipped, as it would hold up the batch.
            WHEN (
                SELECT true
                FROM jobs j
                WHERE j.organization_id = r.organization_id AND j.id = r.job_id AND j.revision = r.revision
                FOR UPDATE SKIP LOCKED
            ) IS NULL THEN false
            -- The callers' authority, compared once more with the rows that are locked: a revocation that was committed
            -- since the snapshot is seen, one that comes now waits for this statement, and one under way is not waited
            -- for. First a member's groups: what is granted to these stays until the statement ends. They are compared
            -- as a whole, in linear time, as callers may be in thousands.
            WHEN {proof.by_groups} AND r.revisions{of_groups} <> ARRAY(
                SELECT held.revision
                FROM (SELECT g.revision FROM {proof.groups} FOR SHARE OF g SKIP LOCKED) held
                ORDER BY 1
            ) THEN false
            ELSE (
                SELECT true
                FROM {proof.credential}
                JOIN users u ON u.organization_id = r.organization_id AND u.id = r.caller_id
                WHERE {proof.found_by} AND {proof.valid}
                  AND (t.user_id = u.id) IS TRUE  -- compared, and not a way to find t: a user may have many
                  AND (u.role, u.revision) = (r.role, r.user_revision)
                FOR SHARE OF u, t SKIP LOCKED
            )
        END
    ), revised AS (
        -- The new revision makes updates with an older snapshot drop out: they have seen another set.
        UPDATE jobs j SET revision = j.revision + 1
        FROM proved l
        WHERE j.organization_id = l.organization_id AND j.id = l.job_id
    ), removed AS (
        -- Apart from the next step, as both see the snapshot: no row is touched by both.
        DELETE FROM assignments s
        USING proved l
        WHERE s.organization_id = l.organization_id AND s.job_id = l.job_id AND s.pipeline_id <> ALL (l.wanted)
    ), placed AS (
        -- Where the job stays, its row stays, and with it its place in the queue; only its own order may change. A row
        -- that has its position already is left out: one in conflict is locked, even if nothing of it changes.
        INSERT INTO assignments AS s (organization_id, job_id, pipeline_id, position)
        SELECT l.organization_id, l.job_id, w.id, w.position
        FROM proved l CROSS JOIN unnest(l.wanted) WITH ORDINALITY w (id, position)
        WHERE NOT EXISTS (
            SELECT FROM assignments s
            WHERE s.organization_id = l.organization_id AND s.job_id = l.job_id AND s.pipeline_id = w.id
              AND s.position = w.position
        )
        ON CONFLICT (organization_id, job_id, pipeline_id) DO UPDATE SET position = excluded.position
        WHERE s.position <> excluded.position
    ), audited AS (
        -- In the same statement, so a change and its audit row are committed together.
        INSERT INTO audit (organization_id, actor_id, actor, token_id, action, target, before, after, request_id)
        SELECT l.organization_id, l.caller_id, l.actor, l.token_id, 'job.update_pipelines', 'job:' || l.job_id,
               jsonb_build_object('pipeline_ids', l.current), jsonb_build_object('pipeline_ids', l.wanted), l.request_id
        FROM proved l
    )
    -- Done: the updates that changed something, and those of jobs that were in that set already, which take no lock
    -- and leave no audit row. Left out: those of jobs in too many pipelines.
    SELECT l.number, l.names, false AS large FROM proved l
    UNION ALL
    SELECT a.number, a.names, false FROM allowed a WHERE a.current = a.wanted
    UNION ALL
    SELECT f.number, NULL, true FROM found f WHERE cardinality(f.current) > {max_current}
"""


def _format(requested: str, proof: _Proof, max_current: int) -> str:
    return _UPDATE.format(requested=requested, proof=proof, max_current=max_current, of_groups=revisions.OF_GROUPS)


def _each(proof: _Proof) -> str:
    return _format(_batch(proof.types), proof, MAX_CURRENT)


def _alone(proof: _Proof) -> str:
    return _format(_one(proof.types), proof, 2**30)  # as many as there are


UPDATE_EACH: Final = _each(_OF_TOKENS)
UPDATE_ONE: Final = _alone(_OF_TOKENS)
LINKED_UPDATE_EACH: Final = _each(_OF_LINKS)
LINKED_UPDATE_ONE: Final = _alone(_OF_LINKS)
