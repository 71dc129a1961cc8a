"""A database of a size, filled by INSERT ... SELECT: what an installation has after years, in the real schema."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import asyncpg

from service.database.migrations import migrate
from tests.audit_months import make_past_months
from tests.plans.database import Target

Raw: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ASSIGNMENTS: Final = 5
"""Pipelines that each job is in."""
MONTHS: Final = 12
"""Months that the entries of the audit trail are spread over."""

FILLING: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "1h",
    "shared_buffers": "512MB",
    "maintenance_work_mem": "512MB",
    "work_mem": "64MB",
    "autovacuum": "off",
}
"""Settings of the server while it is filled: what TRUNCATE and INSERT write in one transaction is not logged."""


@dataclass(frozen=True)
class Size:
    """The numbers of rows that go with a number of jobs."""

    jobs: int

    @property
    def organizations(self) -> int:
        return max(4, self.jobs // 1_000_000)

    @property
    def users(self) -> int:
        """Of each organization; each has a token, two grants and three groups."""
        return max(25, self.jobs // 100 // self.organizations)

    @property
    def groups(self) -> int:
        """Of each organization; each has six grants."""
        return max(8, self.users // 20)

    @property
    def pipelines(self) -> int:
        """Of each organization."""
        return max(40, self.jobs // 1000 // self.organizations)

    @property
    def entries(self) -> int:
        """Of the audit trail, all told."""
        return self.jobs * 3 // 10

    def numbers(self) -> dict[str, int]:
        return {
            "jobs": self.jobs,
            "organizations": self.organizations,
            "users": self.users,
            "groups": self.groups,
            "pipelines": self.pipelines,
            "entries": self.entries,
            "assignments": ASSIGNMENTS,
            "months": MONTHS,
        }


# Ids follow from numbers, so that nothing is joined to find them; as hashes they are as scattered as random ones.
ORGANIZATION: Final = "md5('organization ' || {0})::uuid"
USER: Final = "md5('user ' || {0} || '.' || {1})::uuid"
GROUP: Final = "md5('group ' || {0} || '.' || {1})::uuid"
PIPELINE: Final = "md5('pipeline ' || {0} || '.' || {1})::uuid"
TOKEN: Final = "md5('token ' || {0} || '.' || {1})::uuid"
JOB: Final = "md5('job ' || {0})::uuid::text"
SECRET: Final = "'fp_scale_' || {0} || '_' || {1}"

_PEOPLE: Final = (
    f"""
    INSERT INTO organizations (id, name)
    SELECT {ORGANIZATION.format("o")}, 'organization ' || o FROM generate_series(1, <organizations>) o
    """,
    f"""
    INSERT INTO users (organization_id, id, username, role)
    SELECT {ORGANIZATION.format("o")}, {USER.format("o", "n")}, 'user' || n || '@example.com',
           CASE WHEN n = <users> THEN 'admin' ELSE 'member' END
    FROM generate_series(1, <organizations>) o, generate_series(1, <users>) n
    """,
    f"""
    INSERT INTO tokens (organization_id, id, user_id, name, digest)
    SELECT {ORGANIZATION.format("o")}, {TOKEN.format("o", "n")}, {USER.format("o", "n")}, 'laptop',
           sha256(convert_to({SECRET.format("o", "n")}, 'UTF8'))
    FROM generate_series(1, <organizations>) o, generate_series(1, <users>) n
    """,
    f"""
    INSERT INTO groups (organization_id, id, name)
    SELECT {ORGANIZATION.format("o")}, {GROUP.format("o", "n")}, 'group-' || n
    FROM generate_series(1, <organizations>) o, generate_series(1, <groups>) n
    """,
    f"""
    INSERT INTO pipelines (organization_id, id, name, name_key)
    SELECT {ORGANIZATION.format("o")}, {PIPELINE.format("o", "n")}, 'pipeline ' || n, 'pipeline ' || n
    FROM generate_series(1, <organizations>) o, generate_series(1, <pipelines>) n
    """,
    f"""
    INSERT INTO memberships (organization_id, user_id, group_id)
    SELECT {ORGANIZATION.format("o")}, {USER.format("o", "n")}, {GROUP.format("o", "1 + (n + i) % <groups>")}
    FROM generate_series(1, <organizations>) o, generate_series(1, <users>) n, generate_series(0, 2) i
    """,
    f"""
    INSERT INTO group_grants (organization_id, group_id, pipeline_id, access)
    SELECT {ORGANIZATION.format("o")}, {GROUP.format("o", "n")},
           {PIPELINE.format("o", "1 + (n * 6 + i) % <pipelines>")}, 7
    FROM generate_series(1, <organizations>) o, generate_series(1, <groups>) n, generate_series(0, 5) i
    """,
    f"""
    INSERT INTO user_grants (organization_id, user_id, pipeline_id, access)
    SELECT {ORGANIZATION.format("o")}, {USER.format("o", "n")},
           {PIPELINE.format("o", "1 + (n * 2 + i) % <pipelines>")}, 7
    FROM generate_series(1, <organizations>) o, generate_series(1, <users>) n, generate_series(0, 1) i
    """,
)

# Job n is of organization 1 + n % organizations, of one of its users in turn, and was made the later the higher n is.
_JOBS: Final = f"""
    INSERT INTO jobs (organization_id, id, owner_id, name, created_at)
    SELECT {ORGANIZATION.format("o.n")}, {JOB.format("j")},
           {USER.format("o.n", "1 + j / <organizations> % <users>")}, 'nightly import ' || j,
           now() - interval '730 days' * (1 - j / <jobs>.0)
    FROM generate_series(1, <jobs>) j CROSS JOIN LATERAL (SELECT 1 + j % <organizations> AS n) o
"""
# Queues differ in length: by the square of a random number, of 1,000 pipelines the first has 3 % of the first places.
_ASSIGNMENTS: Final = f"""
    INSERT INTO assignments (organization_id, job_id, pipeline_id, position, assigned_at)
    SELECT j.organization_id, j.id, {PIPELINE.format("j.o", "1 + (j.first + i * 7) % <pipelines>")}, i,
           j.at + i * interval '1 minute'
    FROM (
        SELECT {ORGANIZATION.format("o.n")} AS organization_id, {JOB.format("s.j")} AS id, o.n AS o,
               floor(<pipelines> * r.r * r.r)::int AS first, now() - interval '730 days' * (1 - s.j / <jobs>.0) AS at
        FROM generate_series(1, <jobs>) s (j)
        CROSS JOIN LATERAL (SELECT 1 + s.j % <organizations> AS n) o
        CROSS JOIN LATERAL (SELECT random() AS r WHERE s.j > 0) r
        OFFSET 0
    ) j CROSS JOIN generate_series(1, <assignments>) i
"""
_ENTRIES: Final = f"""
    INSERT INTO audit (organization_id, at, actor_id, actor, token_id, action, target, before, after, request_id,
                       transaction_id)
    SELECT {ORGANIZATION.format("o.n")}, now() - interval '1 month' * <months> * (1 - e / <entries>.0),
           {USER.format("o.n", "u.n")}, 'user' || u.n || '@example.com', {TOKEN.format("o.n", "u.n")},
           'job.update_pipelines', 'job:' || {JOB.format("o.j")},
           jsonb_build_object('pipeline_ids', p.ids), jsonb_build_object('pipeline_ids', p.ids[2:] || p.ids[1]),
           md5('request ' || e)::uuid::text, ($1::bigint + e)::text::xid8
    FROM generate_series(1, <entries>) e
    CROSS JOIN LATERAL (SELECT 1 + e * 3 AS j, 1 + (1 + e * 3) % <organizations> AS n) o
    CROSS JOIN LATERAL (SELECT 1 + e % <users> AS n) u
    CROSS JOIN LATERAL (
        SELECT array_agg({PIPELINE.format("o.n", "1 + (e + i * 7) % <pipelines>")}) AS ids
        FROM generate_series(1, <assignments>) i
    ) p
"""

# Transactions that the entries can have been written by: each has a number of its own, as in an installation.
_TRANSACTIONS: Final = """
    DO $$ BEGIN
        FOR i IN 1..{0} LOOP
            PERFORM pg_current_xact_id();
            COMMIT;
        END LOOP;
    END $$
"""

_AT_ONCE: Final = 100_000
"""Transactions of one statement, which takes a kilobyte for each until it ends."""

_DEFERRED: Final = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname) AS drop,
           format('ALTER TABLE %s ADD CONSTRAINT %I %s %s', c.conrelid::regclass, c.conname,
                  pg_get_constraintdef(c.oid), CASE c.contype WHEN 'f' THEN 'NOT VALID' END) AS make
    FROM pg_constraint c
    WHERE c.conrelid IN ('jobs'::regclass, 'assignments'::regclass) AND c.contype IN ('f', 'p')
    UNION ALL
    SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
    FROM pg_index i
    WHERE i.indrelid IN ('jobs'::regclass, 'assignments'::regclass) AND NOT i.indisunique
"""
"""Keys and indexes of the large tables, which are made again once these are full."""


async def fill(dsn: str, size: Size, progress: Callable[[str], None] = lambda _: None) -> None:
    """Fill an empty database.

    Args:
        dsn: of its superuser.
        size: how much there is to be.
        progress: called with what was done.
    """
    await migrate(dsn)
    raw = await asyncpg.connect(dsn)
    try:
        for statement in ("SET synchronous_commit = off", "SELECT setseed(0.5)"):
            await raw.execute(statement)
        await _fill_people(raw, size)
        progress("people, pipelines and grants")
        await _fill_jobs(raw, size, progress)
        await _fill_trail(raw, size)
        progress("the audit trail")
        await raw.execute("VACUUM (FREEZE, ANALYZE)")
        progress("vacuumed and analyzed")
    finally:
        await raw.close()


async def _fill_people(raw: Raw, size: Size) -> None:
    async with raw.transaction():
        for statement in _PEOPLE:
            await raw.execute(_sized(statement, size))


async def _fill_jobs(raw: Raw, size: Size, progress: Callable[[str], None]) -> None:
    deferred = await raw.fetch(_DEFERRED)
    async with raw.transaction():
        for row in sorted(deferred, key=lambda row: "FOREIGN KEY" not in row["make"]):
            await raw.execute(row["drop"])
        await raw.execute("TRUNCATE jobs, assignments")
        for statement in (_JOBS, _ASSIGNMENTS):
            await raw.execute(_sized(statement, size))
            progress("jobs" if statement is _JOBS else "assignments")
        for row in sorted(deferred, key=lambda row: "FOREIGN KEY" in row["make"]):
            await raw.execute(row["make"])
            progress(row["make"])


async def _fill_trail(raw: Raw, size: Size) -> None:
    first = await raw.fetchval("SELECT pg_current_xact_id()::text::bigint")
    for begin in range(0, size.entries, _AT_ONCE):
        await raw.execute(_TRANSACTIONS.format(min(_AT_ONCE, size.entries - begin)))
    await make_past_months(raw, MONTHS)
    await raw.execute(_sized(_ENTRIES, size), first)


def _sized(statement: str, size: Size) -> str:
    """Put numbers in, which statements without arguments can't have otherwise."""
    for name, number in size.numbers().items():
        statement = statement.replace(f"<{name}>", str(number))
    return statement


async def targets(raw: Raw, size: Size, count: int) -> list[Target]:
    """Return as many jobs, each with a token of its owner and with pipelines that these may execute."""
    rows = await raw.fetch(
        _sized(
            f"""
            SELECT {SECRET.format("o.n", "u.n")} AS token, {USER.format("o.n", "u.n")} AS user_id,
                   {JOB.format("s.j")} AS job_id,
                   ARRAY(
                       SELECT {PIPELINE.format("o.n", "1 + (u.n * 2 + i) % <pipelines>")} FROM generate_series(0, 5) i
                   ) AS pipeline_ids
            FROM (SELECT 1 + t * (<jobs> / $1) AS j FROM generate_series(0, $1 - 1) t) s
            CROSS JOIN LATERAL (SELECT 1 + s.j % <organizations> AS n) o
            CROSS JOIN LATERAL (SELECT 1 + s.j / <organizations> % <users> AS n) u
            WHERE u.n < <users>
            """,
            size,
        ),
        count,
    )
    return [Target(row["token"], row["user_id"], row["job_id"], row["pipeline_ids"]) for row in rows]
