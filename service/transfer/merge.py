"""The merge of the staging tables into the real ones: one statement a table, parents first.

Where a record repeats, its last line counts; a row that already is as the file has it is not touched, so that no
revision is bumped needlessly. A parent that does not exist before its child's line leaves NULL in the child's key, and
the database refuses the statement: a file without faults pays for no further check, and diagnosis.py finds the line.

The statements have common forms:
- DISTINCT ON a record's key, ordered by `line DESC`, takes the last line of each.
- LEFT JOIN parent_x ON ... AND x.line < s.line finds a parent before the line, else NULL.
- WHERE after DO UPDATE leaves a row as it is that would not change.
- A record that does not say whether a user is disabled or deprovisioned, or a token revoked, ended or narrowed, leaves
  them so: a file that is imported again lets nobody in who was shut out since.

A file is judged by how it ends: names that it passes on from one row to another are parked first, as PostgreSQL holds
each row of a statement against the others as they are by then.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from service.permissions import MANAGER


class Merge(NamedTuple):
    """The statement that fills one table: the rows to insert, each key once, and what a key that exists is set to."""

    insert: str
    on_conflict: str
    organization_id: str = "t.organization_id"
    """The column of a written row `t` that has its organization."""
    park: str = ""
    """The statement that makes way for names that the file gives to others, where it gives their rows another."""

    def statement(self, *, empty: bool) -> str:
        """Compose the statement, which returns the organization of every row written.

        In an empty table no key can exist, and looking for it would take time.
        """
        return f"{self.insert} {'' if empty else self.on_conflict} RETURNING {self.organization_id} AS organization_id"


def _park(kind: str, name: str, compared: str) -> str:
    """Return the statement that renames the rows whose names go to other rows, for the moment, to what nothing has."""
    return f"""
        WITH final AS MATERIALIZED (
            -- The last line of each record, with the name as it is compared.
            SELECT DISTINCT ON (s.organization_id, s.id) s.organization_id, s.id, {compared.format("s")} AS compared
            FROM staged_{kind} s
            ORDER BY s.organization_id, s.id, s.line DESC
        )
        UPDATE {kind}s t SET {name} = '..' || t.id
        FROM final f
        JOIN final taker ON taker.organization_id = f.organization_id AND taker.id <> f.id
        WHERE t.organization_id = f.organization_id AND t.id = f.id
          AND {compared.format("t")} <> f.compared AND {compared.format("t")} = taker.compared
    """


_END: Final = """
    CASE WHEN t.replaced_by_id IS NULL THEN coalesce(excluded.expires_at, t.expires_at)
         ELSE LEAST(excluded.expires_at, t.expires_at) END
""".strip()
"""The end of a token t that a record is about: what was rotated is not prolonged by a file from before that."""

MERGES: Final[Mapping[str, Merge]] = {
    "organizations": Merge(
        """
        INSERT INTO organizations AS t (id, name, created_at)
        SELECT DISTINCT ON (s.id) s.id, s.name, coalesce(s.created_at, now())
        FROM staged_organization s
        ORDER BY s.id, s.line DESC
        """,
        """
        ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE t.name <> excluded.name
        """,
        "t.id",
    ),
    "users": Merge(
        """
        INSERT INTO users AS t (
            organization_id, id, username, role, disabled, created_at,
            display_name, display_name_key, email, email_key
        )
        SELECT DISTINCT ON (s.organization_id, s.id) o.id, s.id, s.username, s.role,
               coalesce(s.disabled, present.disabled, false), coalesce(s.created_at, now()),
               s.display_name, s.display_name_key, s.email, s.email_key
        FROM staged_user s
        LEFT JOIN parent_organization o ON o.id = s.organization_id AND o.line < s.line
        LEFT JOIN users present ON present.organization_id = s.organization_id AND present.id = s.id
        ORDER BY s.organization_id, s.id, s.line DESC
        """,
        """
        ON CONFLICT (organization_id, id) DO UPDATE
        SET username = excluded.username, role = excluded.role, disabled = excluded.disabled,
            display_name = excluded.display_name, display_name_key = excluded.display_name_key,
            email = excluded.email, email_key = excluded.email_key
        WHERE (t.username, t.role, t.disabled, t.display_name, t.email) IS DISTINCT FROM
              (excluded.username, excluded.role, excluded.disabled, excluded.display_name, excluded.email)
        """,
        park=_park("user", "username", "lower({}.username)"),
    ),
    "deleted_users": Merge(
        """
        INSERT INTO deleted_users AS t (organization_id, id, username, deleted_at)
        SELECT DISTINCT ON (s.organization_id, s.id)
               -- Nobody who is there is deleted by a file, or loses their name.
               CASE WHEN NOT EXISTS (
                   SELECT FROM users u
                   WHERE u.organization_id = o.id AND (u.id = s.id OR lower(u.username) = lower(s.username))
               ) THEN o.id END, s.id, s.username, coalesce(s.deleted_at, now())
        FROM staged_deleted_user s
        LEFT JOIN parent_organization o ON o.id = s.organization_id AND o.line < s.line
        ORDER BY s.organization_id, s.id, s.line DESC
        """,
        """
        ON CONFLICT DO NOTHING
        """,
    ),
    "groups": Merge(
        """
        INSERT INTO groups AS t (organization_id, id, name, created_at)
        SELECT DISTINCT ON (s.organization_id, s.id) o.id, s.id, s.name, coalesce(s.created_at, now())
        FROM staged_group s
        LEFT JOIN parent_organization o ON o.id = s.organization_id AND o.line < s.line
        ORDER BY s.organization_id, s.id, s.line DESC
        """,
        """
        ON CONFLICT (organization_id, id) DO UPDATE SET name = excluded.name WHERE t.name <> excluded.name
        """,
        park=_park("group", "name", "lower({}.name)"),
    ),
    "pipelines": Merge(
        """
        INSERT INTO pipelines AS t (organization_id, id, name, name_key, description, created_at, updated_at)
        SELECT DISTINCT ON (s.organization_id, s.id) o.id, s.id, s.name, s.name_key, coalesce(s.description, ''),
               coalesce(s.created_at, now()), coalesce(s.updated_at, now())
        FROM staged_pipeline s
        LEFT JOIN parent_organization o ON o.id = s.organization_id AND o.line < s.line
        ORDER BY s.organization_id, s.id, s.line DESC
        """,
        """
        ON CONFLICT (organization_id, id) DO UPDATE
        SET name = excluded.name, name_key = excluded.name_key, description = excluded.description, updated_at = now()
        WHERE (t.name, t.name_key, t.description) <> (excluded.name, excluded.name_key, excluded.description)
        """,
        park=_park("pipeline", "name_key", "{}.name_key"),
    ),
    "tokens": Merge(
        """
        INSERT INTO tokens AS t (
            organization_id, id, user_id, name, digest, scopes, expires_at, revoked_at, created_at, last_used_at
        )
        SELECT DISTINCT ON (s.digest)
               u.organization_id, coalesce(s.id, gen_random_uuid()), s.user_id, coalesce(s.name, ''), s.digest,
               s.scopes, s.expires_at, s.revoked_at, coalesce(s.created_at, now()), s.last_used_at
        FROM staged_token s
        LEFT JOIN parent_user u ON u.id = s.user_id AND u.line < s.line
        ORDER BY s.digest, s.line DESC
        """,
        f"""
        -- A token of another user is left NULL in user_id, so that the statement is refused.
        ON CONFLICT (digest) DO UPDATE
        SET user_id = CASE WHEN t.user_id = excluded.user_id THEN t.user_id END,
            name = excluded.name, scopes = coalesce(excluded.scopes, t.scopes),
            expires_at = {_END},
            revoked_at = coalesce(excluded.revoked_at, t.revoked_at)
        WHERE (t.user_id, t.name, t.scopes, t.expires_at, t.revoked_at) IS DISTINCT FROM
              (excluded.user_id, excluded.name, coalesce(excluded.scopes, t.scopes),
               {_END}, coalesce(excluded.revoked_at, t.revoked_at))
        """,
    ),
    "identity_links": Merge(
        """
        INSERT INTO identity_links AS t (organization_id, id, user_id, issuer, subject, created_at, last_used_at)
        SELECT DISTINCT ON (s.organization_id, s.issuer, s.subject)
               -- Whoever a provider knows by a subject is one user: a line that makes them another one is refused.
               CASE WHEN s.user_id = s.first_id THEN s.organization_id END,
               coalesce(s.id, gen_random_uuid()), s.user_id, s.issuer, s.subject,
               coalesce(s.created_at, now()), s.last_used_at
        FROM (
            SELECT u.organization_id, s.*,
                   first_value(s.user_id) OVER (
                       PARTITION BY u.organization_id, s.issuer, s.subject ORDER BY s.line
                   ) AS first_id
            FROM staged_identity s
            LEFT JOIN parent_user u ON u.id = s.user_id AND u.line < s.line
        ) s
        ORDER BY s.organization_id, s.issuer, s.subject, s.user_id <> s.first_id DESC, s.line DESC
        """,
        """
        -- A link of another user is left NULL in user_id, so that the statement is refused.
        ON CONFLICT (issuer, subject, organization_id) DO UPDATE SET user_id = NULL
        WHERE t.user_id <> excluded.user_id
        """,
    ),
    "provisioned_users": Merge(
        """
        INSERT INTO provisioned_users AS t (
            organization_id, user_id, external_id, gives_role, deprovisioned, changed_at
        )
        SELECT DISTINCT ON (s.user_id)
               u.organization_id, s.user_id, s.external_id, coalesce(s.gives_role, false),
               coalesce(s.deprovisioned, present.deprovisioned, false), coalesce(s.changed_at, now())
        FROM staged_provisioned_user s
        LEFT JOIN parent_user u ON u.id = s.user_id AND u.line < s.line
        LEFT JOIN provisioned_users present
               ON present.organization_id = u.organization_id AND present.user_id = s.user_id
        ORDER BY s.user_id, s.line DESC
        """,
        """
        ON CONFLICT (organization_id, user_id) DO UPDATE
        SET external_id = excluded.external_id, gives_role = excluded.gives_role,
            deprovisioned = excluded.deprovisioned, changed_at = now()
        WHERE (t.external_id, t.gives_role, t.deprovisioned) IS DISTINCT FROM
              (excluded.external_id, excluded.gives_role, excluded.deprovisioned)
        """,
    ),
    "provisioned_groups": Merge(
        """
        INSERT INTO provisioned_groups AS t (organization_id, group_id, external_id, changed_at)
        SELECT DISTINCT ON (s.group_id) g.organization_id, s.group_id, s.external_id, coalesce(s.changed_at, now())
        FROM staged_provisioned_group s
        LEFT JOIN parent_group g ON g.id = s.group_id AND g.line < s.line
        ORDER BY s.group_id, s.line DESC
        """,
        """
        ON CONFLICT (organization_id, group_id) DO UPDATE SET external_id = excluded.external_id, changed_at = now()
        WHERE t.external_id IS DISTINCT FROM excluded.external_id
        """,
    ),
    "jobs": Merge(
        """
        INSERT INTO jobs AS t (organization_id, id, owner_id, name, created_at)
        SELECT DISTINCT ON (s.organization_id, s.id)
               -- Both parents must exist before the line: the owner, and the organization.
               CASE WHEN u.id IS NOT NULL THEN o.id END, s.id, s.owner_id, coalesce(s.name, ''),
               coalesce(s.created_at, now())
        FROM staged_job s
        LEFT JOIN parent_organization o ON o.id = s.organization_id AND o.line < s.line
        LEFT JOIN parent_user u ON u.id = s.owner_id AND u.line < s.line
        ORDER BY s.organization_id, s.id, s.line DESC
        """,
        """
        ON CONFLICT (organization_id, id) DO UPDATE SET owner_id = excluded.owner_id, name = excluded.name
        WHERE (t.owner_id, t.name) <> (excluded.owner_id, excluded.name)
        """,
    ),
    "assignments": Merge(
        """
        WITH
        -- The file's assignments, with the organization of the pipeline.
        resolved AS (
            SELECT p.organization_id, s.job_id, s.pipeline_id, s.position, s.assigned_at, s.line
            FROM staged_assignment s
            LEFT JOIN parent_pipeline p ON p.id = s.pipeline_id AND p.line < s.line
        ),
        -- The last position of each of these jobs in the database, after which new assignments are put.
        present AS (
            SELECT a.organization_id, a.job_id, max(a.position) AS position
            FROM assignments a
            JOIN (SELECT DISTINCT organization_id, job_id FROM resolved) r USING (organization_id, job_id)
            GROUP BY a.organization_id, a.job_id
        )
        INSERT INTO assignments AS t (organization_id, job_id, pipeline_id, position, assigned_at)
        SELECT DISTINCT ON (r.organization_id, r.job_id, r.pipeline_id)
               CASE WHEN later.id IS NULL THEN r.organization_id END, r.job_id, r.pipeline_id,
               coalesce(r.position, coalesce(p.position, 0) + r.place), coalesce(r.assigned_at, now())
        -- The file's assignments once more, counted within their job.
        FROM (
            SELECT *, row_number() OVER (PARTITION BY organization_id, job_id ORDER BY line) AS place FROM resolved
        ) r
        LEFT JOIN present p ON p.organization_id = r.organization_id AND p.job_id = r.job_id
        -- A job that is in the file, but after this line: its assignment is refused like one without a parent.
        LEFT JOIN staged_job later
               ON later.organization_id = r.organization_id AND later.id = r.job_id AND later.line > r.line
        ORDER BY r.organization_id, r.job_id, r.pipeline_id, r.line DESC
        """,
        """
        ON CONFLICT (organization_id, job_id, pipeline_id) DO NOTHING
        """,
    ),
    "memberships": Merge(
        """
        INSERT INTO memberships AS t (organization_id, user_id, group_id, created_at)
        SELECT DISTINCT ON (s.user_id, s.group_id)
               -- Both parents must exist before the line: the group, and the user, which gives the organization.
               CASE WHEN g.id IS NOT NULL THEN u.organization_id END, s.user_id, s.group_id,
               coalesce(s.created_at, now())
        FROM staged_membership s
        LEFT JOIN parent_user u ON u.id = s.user_id AND u.line < s.line
        LEFT JOIN parent_group g ON g.id = s.group_id AND g.line < s.line
        ORDER BY s.user_id, s.group_id, s.line DESC
        """,
        """
        ON CONFLICT (organization_id, user_id, group_id) DO NOTHING
        """,
    ),
    **{
        f"{kind}_grants": Merge(
            f"""
        INSERT INTO {kind}_grants AS t (organization_id, {kind}_id, pipeline_id, access, expires_at, updated_at)
        SELECT DISTINCT ON (s.{kind}_id, s.pipeline_id)
               -- Both parents must exist before the line: the {kind}, and the pipeline, which gives the organization.
               CASE WHEN k.id IS NOT NULL THEN p.organization_id END, s.{kind}_id, s.pipeline_id,
               s.access | CASE WHEN s.is_manager THEN {MANAGER} ELSE 0 END, s.expires_at,
               coalesce(s.updated_at, now())
        FROM staged_grant s
        LEFT JOIN parent_pipeline p ON p.id = s.pipeline_id AND p.line < s.line
        LEFT JOIN parent_{kind} k ON k.id = s.{kind}_id AND k.line < s.line
        WHERE s.{kind}_id IS NOT NULL
        ORDER BY s.{kind}_id, s.pipeline_id, s.line DESC
        """,
            f"""
        ON CONFLICT (organization_id, {kind}_id, pipeline_id) DO UPDATE
        SET access = excluded.access, expires_at = excluded.expires_at, updated_at = now()
        WHERE (t.access, t.expires_at) IS DISTINCT FROM (excluded.access, excluded.expires_at)
        """,
        )
        for kind in ("user", "group")
    },
}
"""Statements by table, parents before children.

Memberships and grants come last, as they bump the revisions of users: the foreign keys of other rows are then checked
against users not yet changed."""

BOUND_TOKENS: Final = """
    WITH
    -- Tokens that are better than the one they were made with, or than the file lets that be now, or have survived it;
    -- and those that took the place of one that is revoked.
    beyond AS (
        SELECT c.organization_id, c.id, p.revoked_at IS NOT NULL AS ended, p.expires_at, p.scopes
        FROM tokens c
        JOIN tokens p ON p.organization_id = c.organization_id AND p.id = c.parent_id
        WHERE c.revoked_at IS NULL
          AND (
              p.revoked_at IS NOT NULL
              OR p.expires_at < coalesce(c.expires_at, 'infinity')
              OR coalesce(c.scopes, 255) & ~coalesce(p.scopes, 255)::integer <> 0
          )
        UNION ALL
        SELECT c.organization_id, c.id, true, NULL, NULL
        FROM tokens p
        JOIN tokens c ON c.organization_id = p.organization_id AND c.id = p.replaced_by_id
        WHERE p.revoked_at IS NOT NULL AND c.revoked_at IS NULL
    )
    UPDATE tokens t
    SET revoked_at = CASE WHEN b.ended OR coalesce(t.scopes, 255) & coalesce(b.scopes, 255) = 0 THEN now() END,
        expires_at = LEAST(t.expires_at, b.expires_at),
        scopes = CASE WHEN coalesce(t.scopes, 255) & b.scopes <> 0 THEN coalesce(t.scopes, 255) & b.scopes
                      ELSE t.scopes END
    FROM beyond b
    WHERE t.organization_id = b.organization_id AND t.id = b.id
    RETURNING t.organization_id, t.id, t.revoked_at IS NOT NULL AS revoked, t.expires_at, t.scopes
"""
"""Bring the children of tokens within what these are now; to be repeated until it changes none."""
