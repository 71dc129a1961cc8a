"""An organization as large as those that the admin page is made for."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from tests.factories import Member, World

PIPELINES: Final = 2010
JOBS: Final = 5000
BOBS_JOBS: Final = 500


@dataclass(frozen=True)
class Large:
    """A large organization: its administrator, and who and what its other figures are about."""

    admin: Member
    bob: Member
    """A member of the group, who owns jobs and has changed much."""
    group: str
    pipeline: UUID
    """The first pipeline, in whose queue 2,000 jobs are."""


async def large(world: World, *, users: int = 1500, members: int = 1200, tokens: int = 0) -> Large:
    """Fill an organization with 2,010 pipelines that are granted to a group, 5,000 jobs, and so many users and members.

    As many changes as there are jobs are in the audit trail; 2,000 jobs are in the first pipeline.
    """
    admin, bob = await world.user("ada", role="admin"), await world.user("bob")
    group = await world.group(bob, name="reviewers")
    run, here = world.raw.execute, world.id
    await run(
        "INSERT INTO users (organization_id, id, username, display_name, display_name_key, email, email_key)"
        " SELECT $1, gen_random_uuid(), name, 'Person ' || n, 'person ' || n, name || '@example.org', name ||"
        " '@example.org' FROM (SELECT n, 'user-' || lpad(n::text, 5, '0') AS name FROM generate_series(1, $2) n) made",
        here, users - 2,
    )  # fmt: skip
    await run(
        "INSERT INTO memberships (organization_id, user_id, group_id) SELECT $1, id, $2 FROM users"
        " WHERE organization_id = $1 AND username ~ '^user-' ORDER BY username LIMIT $3",
        here, group, members - 1,
    )  # fmt: skip
    await run(
        "INSERT INTO pipelines (organization_id, id, name, name_key) SELECT $1, gen_random_uuid(), name, name"
        " FROM (SELECT 'pipeline ' || lpad(n::text, 5, '0') AS name FROM generate_series(1, $2) n) made",
        here, PIPELINES,
    )  # fmt: skip
    await run(
        "INSERT INTO group_grants (organization_id, group_id, pipeline_id, access) SELECT $1, $2, id, 5 FROM pipelines"
        " WHERE organization_id = $1",
        here, group,
    )  # fmt: skip
    await run(
        "INSERT INTO jobs (organization_id, id, owner_id) SELECT $1, 'case-' || lpad(n::text, 5, '0'),"
        " CASE WHEN n <= $5 THEN $2::uuid ELSE $4 END FROM generate_series(1, $3) n",
        here, bob.id, JOBS, admin.id, BOBS_JOBS,
    )  # fmt: skip
    await run(
        "INSERT INTO tokens (organization_id, id, user_id, digest, name) SELECT $1, gen_random_uuid(),"
        " $2, sha256(concat($2::uuid, n)::bytea), 'program ' || n FROM generate_series(1, $3) n",
        here, bob.id, tokens,
    )  # fmt: skip
    first: UUID = await world.raw.fetchval(
        "SELECT id FROM pipelines WHERE organization_id = $1 ORDER BY name LIMIT 1", here
    )
    await run(
        "INSERT INTO assignments (organization_id, job_id, pipeline_id, position) SELECT $1, id, $2, 1 FROM jobs"
        " WHERE organization_id = $1 AND id <= 'case-02000'",
        here, first,
    )  # fmt: skip
    await run(
        "INSERT INTO audit (organization_id, actor_id, actor, action, target, before, after) SELECT $1, $2, 'bob',"
        " 'job.update_pipelines', 'job:' || j.id, jsonb_build_object('pipeline_ids', '[]'::jsonb),"
        " jsonb_build_object('pipeline_ids', jsonb_build_array($3::uuid)) FROM jobs j WHERE j.organization_id = $1",
        here, bob.id, first,
    )  # fmt: skip
    return Large(admin, bob, "reviewers", first)
