"""The findings of `doctor` on real installations, in order and not."""

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.database.migrations import load_migrations, migrate
from service.doctor import facts
from service.doctor.checks import Deployment, Finding
from service.doctor.examine import examine
from service.embedded.cluster import SERVICE_ROLE
from service.permissions import MANAGER
from service.settings import Settings
from service.values.identity_providers import Provider
from tests import pgbouncer
from tests.factories import PAST, World

DEPLOYMENT = Deployment(replicas=2, grace=40, pre_stop=5)


async def found(dsn: str, settings: Settings, deployment: Deployment = DEPLOYMENT) -> dict[str, Finding]:
    return {finding.check: finding for finding in await examine(dsn, settings, deployment)}


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


def as_service(dsn: str) -> str:
    return dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")


async def test_examine_finds_an_installation_in_order(closed_dsn: str, settings: Settings) -> None:
    await migrate(closed_dsn)

    findings = await found(as_service(closed_dsn), settings)

    assert {check: finding.state for check, finding in findings.items()} == dict.fromkeys(
        [
            *("server", "connect", "encryption", "role", "privileges", "surroundings", "migrations"),
            *("times", "names", "tokens", "kept grants", "triggers", "audit", "pooler"),
            *("statement timeout", "connections", "clock", "memory", "shutdown"),
        ],
        "ok",
    )
    assert all(finding.remedy is None for finding in findings.values())


SWITCHED_OFF = [
    ("ALTER TABLE users DISABLE TRIGGER bump_on_update", "bump_on_update of users is switched off"),
    (
        "ALTER TABLE user_grants DISABLE TRIGGER USER; ALTER TABLE user_grants ENABLE TRIGGER USER",
        "a_hold_on_insert of user_grants does not fire in all the sessions that it should, and 8 more like it",
    ),
    (
        "ALTER TABLE memberships ENABLE ALWAYS TRIGGER follow_replicated",
        "follow_replicated of memberships does not fire",
    ),
    ("DROP TRIGGER bump_on_truncate ON pipelines", "bump_on_truncate of pipelines is missing"),
    ("ALTER TABLE audit_later DISABLE TRIGGER ALL", "attest_on_insert of audit_later is switched off"),
]


@pytest.mark.parametrize(("statement", "sentence"), SWITCHED_OFF)
async def test_examine_finds_a_trigger_that_does_not_fire_and_migrate_mends_it(
    closed_dsn: str, settings: Settings, statement: str, sentence: str
) -> None:
    """And whatever was changed meanwhile is told by another revision of each user."""
    await migrate(closed_dsn)
    raw = await asyncpg.connect(closed_dsn)
    await (await World.create(raw)).user()
    await raw.execute(statement)

    finding = (await found(as_service(closed_dsn), settings))["triggers"]
    assert (finding.state, finding.found[: len(sentence)]) == ("wrong", sentence)
    assert finding.remedy is not None
    assert "Run `migrate`" in finding.remedy

    before, warnings = await raw.fetchval("SELECT revision FROM users"), list[str]()
    await migrate(closed_dsn, warn=warnings.append)
    assert (await found(as_service(closed_dsn), settings))["triggers"].state == "ok"
    assert await raw.fetchval("SELECT revision FROM users") != before
    assert [warning.partition(":")[2] for warning in warnings] == [
        " they fire again, and all cached lists count as outdated from now on."
    ]
    before = await raw.fetchval("SELECT revision FROM users")
    await migrate(closed_dsn, warn=warnings.append)
    assert (await raw.fetchval("SELECT revision FROM users"), len(warnings)) == (before, 1)
    await raw.close()


@pytest.mark.parametrize(
    ("statement", "sentence", "remedy"),
    [
        ("ALTER TABLE groups DISABLE TRIGGER ALL", "foreign keys of groups are not checked", "Let a superuser"),
        ("CREATE TABLE mine () INHERITS (user_grants)", "rows of mine count as rows of user_grants", "Run ALTER TABLE"),
    ],
)
async def test_examine_finds_rows_that_no_trigger_and_no_key_holds(
    closed_dsn: str, settings: Settings, statement: str, sentence: str, remedy: str
) -> None:
    await migrate(closed_dsn)
    await execute(closed_dsn, statement)
    warnings = list[str]()
    await migrate(closed_dsn, warn=warnings.append)

    assert any(warning.startswith(f"{sentence}: {remedy}") for warning in warnings)
    finding = (await found(as_service(closed_dsn), settings))["triggers"]
    assert finding.found == sentence
    assert finding.remedy is not None
    assert finding.remedy.startswith(remedy)


async def test_examine_leaves_the_triggers_of_another_version_alone(closed_dsn: str, settings: Settings) -> None:
    await migrate(closed_dsn)
    await execute(closed_dsn, "INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'newer', '')")

    assert (await found(as_service(closed_dsn), settings))["triggers"].state == "skipped"


async def test_examine_finds_what_is_wrong_with_the_months_of_the_trail(closed_dsn: str, settings: Settings) -> None:
    await migrate(closed_dsn)
    keeping = replace(settings, audit_retention_months=1)
    insert = (
        "INSERT INTO audit (organization_id, at, actor, action, target)"
        " VALUES (gen_random_uuid(), 'infinity', '', '', '')"
    )
    undo = "DELETE FROM audit_later; ALTER TABLE audit DETACH PARTITION audit_earlier"
    less = """
        DO $$ DECLARE last record; BEGIN
            SELECT * INTO last FROM audit_partitions() p WHERE p.ends IS NOT NULL ORDER BY p.ends DESC LIMIT 1;
            ALTER TABLE audit DETACH PARTITION audit_later;
            EXECUTE format('ALTER TABLE audit DETACH PARTITION %I', last.name);
            EXECUTE format(
                'ALTER TABLE audit ATTACH PARTITION audit_later FOR VALUES FROM (%L) TO (MAXVALUE)', last.begins
            );
            EXECUTE format('DROP TABLE %I', last.name);
        END $$
    """
    remedies = []
    for statement, given in (("SELECT 1", keeping), (insert, keeping), (undo, settings), (less, keeping)):
        await execute(closed_dsn, statement)
        finding = (await found(as_service(closed_dsn), given))["audit"]
        remedies.append((finding.state, (finding.remedy or "")[:20]))

    assert remedies == [
        ("ok", ""),
        ("warning", "A clock is wrong, or"),
        ("ok", ""),
        ("warning", "Run `migrate`, which"),
    ]
    await migrate(closed_dsn)
    assert (await found(as_service(closed_dsn), settings))["audit"].state == "ok"


async def test_examine_finds_that_the_role_is_a_superuser(dsn: str, settings: Settings) -> None:
    findings = await found(dsn, settings)

    assert findings["role"].found == "postgres is a superuser"
    assert findings["privileges"].state == "skipped"


async def test_examine_finds_that_the_role_owns_the_tables(empty_dsn: str, settings: Settings) -> None:
    await migrate(empty_dsn)
    role = f"owner_{empty_dsn.split('/test_')[1][:8]}"
    await execute(empty_dsn, f"CREATE ROLE {role} LOGIN; ALTER TABLE schema_migrations OWNER TO {role}")
    try:
        findings = await found(empty_dsn.replace("//postgres@", f"//{role}@"), settings)
    finally:
        await execute(empty_dsn, f"REASSIGN OWNED BY {role} TO postgres; DROP ROLE {role}")

    assert findings["role"].state == "wrong"
    assert "could change the audit trail" in findings["role"].found


async def test_examine_finds_a_database_that_was_never_migrated(empty_dsn: str, settings: Settings) -> None:
    findings = await found(as_service(empty_dsn), settings)

    assert findings["migrations"].found == f"{len(load_migrations())} are missing, from 0001_create_tables.sql on"
    assert findings["migrations"].remedy == "Run `migrate`, by the role flow_migrator."
    assert findings["privileges"].state == "skipped"


async def test_examine_finds_privileges_that_are_missing_and_in_excess(closed_dsn: str, settings: Settings) -> None:
    await migrate(closed_dsn)
    await execute(
        closed_dsn,
        f"REVOKE INSERT ON groups FROM {SERVICE_ROLE}; REVOKE UPDATE (name, revision) ON jobs FROM {SERVICE_ROLE};"
        f" REVOKE SELECT ON users FROM {SERVICE_ROLE}",
    )
    missing = await found(as_service(closed_dsn), settings)
    await migrate(closed_dsn)
    await execute(
        closed_dsn, f"GRANT DELETE, UPDATE (actor) ON audit TO {SERVICE_ROLE}; GRANT SELECT ON users TO PUBLIC"
    )
    excess = await found(as_service(closed_dsn), settings)

    assert missing["privileges"].found == (
        "flow_service lacks INSERT (id, name, organization_id) on groups; UPDATE (name, revision) on jobs;"
        " SELECT on users"
    )
    assert str(missing["privileges"].remedy).startswith("Run `migrate`")
    assert excess["privileges"].found == "flow_service may, beside what it needs, DELETE, UPDATE (actor) on audit"
    assert excess["privileges"].state == "wrong"


async def test_examine_finds_what_the_role_may_create(closed_dsn: str, settings: Settings) -> None:
    await migrate(closed_dsn)
    name = urlsplit(closed_dsn).path[1:]
    await execute(
        closed_dsn,
        f"GRANT TEMPORARY ON DATABASE {name} TO PUBLIC; GRANT CREATE ON DATABASE {name} TO {SERVICE_ROLE};"
        f" GRANT CREATE ON SCHEMA public TO {SERVICE_ROLE}",
    )

    findings = await found(as_service(closed_dsn), settings)

    assert findings["privileges"].state == "wrong"
    assert findings["privileges"].found == (
        "flow_service may, beside what it needs, CREATE on schema public; CREATE, TEMPORARY on this database"
    )


async def test_examine_finds_that_the_role_may_make_large_objects(closed_dsn: str, settings: Settings) -> None:
    await migrate(closed_dsn)
    await execute(closed_dsn, "GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")

    finding = (await found(as_service(closed_dsn), settings))["privileges"]

    assert (finding.state, finding.found) == (
        "wrong",
        "flow_service may, beside what it needs, CREATE on large objects",
    )
    assert str(finding.remedy).startswith("Run deploy/roles.sql once more")


async def test_examine_finds_a_database_open_to_every_role(closed_dsn: str, settings: Settings) -> None:
    await migrate(closed_dsn)
    name = urlsplit(closed_dsn).path[1:]
    await execute(closed_dsn, f"GRANT CONNECT ON DATABASE {name} TO PUBLIC")
    this = await found(as_service(closed_dsn), settings)
    await execute(
        closed_dsn, f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO PUBLIC"
    )
    try:
        other = await found(as_service(closed_dsn), settings)
    finally:
        await execute(closed_dsn, "REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")

    assert (this["surroundings"].state, other["surroundings"].state) == ("warning", "warning")
    assert this["surroundings"].found == f"every role of the server may connect to {name}"
    assert other["surroundings"].found == "flow_service may connect to postgres, as every role may"


async def test_examine_finds_that_the_role_owns_something(closed_dsn: str, settings: Settings) -> None:
    await migrate(closed_dsn)
    await execute(closed_dsn, f"CREATE SCHEMA its AUTHORIZATION {SERVICE_ROLE}")

    findings = await found(as_service(closed_dsn), settings)

    assert findings["surroundings"].state == "wrong"
    assert findings["surroundings"].found.startswith("flow_service owns 1 objects")


async def test_examine_of_a_role_without_privileges_skips_migrations(empty_dsn: str, settings: Settings) -> None:
    await migrate(empty_dsn)
    await execute(empty_dsn, f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {SERVICE_ROLE}")

    findings = await found(as_service(empty_dsn), settings)

    assert (findings["privileges"].state, findings["migrations"].state) == ("wrong", "skipped")


async def test_examine_finds_what_is_wrong_in_the_tables(empty_dsn: str, settings: Settings) -> None:
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    world = await World.create(raw)
    pam = await world.user("pam")
    audited = (
        "INSERT INTO audit (organization_id, actor_id, actor, action, target, before) VALUES ($1, $2, 'x', $3, $4, $5)"
    )
    await raw.execute(audited, world.id, None, "user.update", "user:pam", '{"role": "pipeline_admin"}')
    for number in range(3):
        pipeline = await world.pipeline()
        await world.grant(pipeline, pam, MANAGER)
        action, target = [
            ("grant.set", f"grant:{pipeline}/user:pam"),
            ("pipeline.create", f"pipeline:{pipeline}"),
            ("grant.set", "something else"),
        ][number]
        await raw.execute(audited, world.id, pam.id, action, target, None)
    await world.token(pam.id, revoked_at=PAST)
    await raw.execute(
        "UPDATE tokens SET parent_id = (SELECT id FROM tokens WHERE revoked_at IS NOT NULL) WHERE revoked_at IS NULL"
    )
    await raw.execute("ALTER TABLE jobs DROP CONSTRAINT jobs_times_bounded")
    await raw.close()

    findings = await found(as_service(empty_dsn), settings)

    assert (findings["times"].state, "out of jobs.created_at" in findings["times"].found) == ("wrong", True)
    assert (findings["tokens"].state, findings["tokens"].found[:2]) == ("wrong", "1 ")
    assert findings["kept grants"].state == "warning"
    assert "pam of Acme still manages 2 pipelines" in findings["kept grants"].found


async def test_examine_skips_what_takes_too_long(
    empty_dsn: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take_too_long(_: object) -> int:
        raise asyncpg.QueryCanceledError("canceling statement due to statement timeout")

    await migrate(empty_dsn)
    monkeypatch.setattr(facts, "count_escaped_tokens", take_too_long)

    findings = await found(as_service(empty_dsn), settings)

    assert (findings["tokens"].state, findings["kept grants"].state) == ("skipped", "ok")


async def test_examine_finds_a_server_that_only_reads(empty_dsn: str, settings: Settings) -> None:
    name = urlsplit(empty_dsn).path[1:]
    await execute(empty_dsn, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    findings = await found(as_service(empty_dsn), settings)

    assert findings["server"].found.endswith(": it only reads")
    assert "target_session_attrs=read-write" in str(findings["server"].remedy)


async def test_examine_counts_the_limits_of_database_and_role(empty_dsn: str, settings: Settings) -> None:
    name = urlsplit(empty_dsn).path[1:]
    await execute(empty_dsn, f"ALTER DATABASE {name} CONNECTION LIMIT 20")

    findings = await found(as_service(empty_dsn), settings)

    assert findings["connections"].state == "wrong"
    assert findings["connections"].found.endswith(", of 20")


async def test_examine_without_the_database_says_so_alone(server_dsn: str, settings: Settings) -> None:
    findings = await found(server_dsn.replace("/flow_pipelines?", "/nothing?"), settings)

    assert set(findings) == {"server", "memory", "shutdown"}
    assert findings["server"].remedy == "Create the database, or let DATABASE_URL name the one that there is."


@pytest.mark.skipif(not pgbouncer.programs(), reason=pgbouncer.NONE_HERE)
async def test_examine_tells_poolers_and_their_modes(empty_dsn: str, settings: Settings, tmp_path: Path) -> None:
    await migrate(empty_dsn)
    database = urlsplit(empty_dsn).path[1:]
    await execute(empty_dsn, f"ALTER ROLE {SERVICE_ROLE} IN DATABASE {database} SET statement_timeout = 0")
    oldest, newest = pgbouncer.programs()[0], pgbouncer.programs()[-1]
    mixing = [pgbouncer.IGNORING, *(["max_prepared_statements = 0"] if oldest.prepares else [])]
    unprepared = replace(settings, database_prepared_statements=False)
    with pgbouncer.running(oldest, tmp_path, empty_dsn, [pgbouncer.IGNORING], "session") as pooled:
        session = await found(pooled, settings)
    with pgbouncer.running(oldest, tmp_path, empty_dsn, mixing) as pooled:
        transaction = await found(pooled, settings)
        without = await found(pooled, unprepared)
    with pgbouncer.running(oldest, tmp_path, empty_dsn, []) as pooled:
        strict = await found(pooled, settings)
    with pgbouncer.running(newest, tmp_path, empty_dsn, newest.transaction_mode()) as pooled:
        prepared = await found(pooled, settings)

    assert session["pooler"].state == "warning"
    assert transaction["pooler"].found.endswith("which mixes up the prepared statements of its clients")
    assert transaction["statement timeout"].state == "wrong"
    assert (without["pooler"].state, "without prepared" in without["pooler"].found) == ("ok", True)
    assert "ignore_startup_parameters" in str(strict["server"].remedy)
    assert prepared["pooler"].state == ("ok" if newest.prepares else "wrong")


async def test_examine_finds_mapped_groups_that_do_not_exist(dsn: str, world: World, settings: Settings) -> None:
    other = await World.create(world.raw)
    await world.group(name="reviewers")
    await other.group(name="operators")
    mapped = (("/r", "Reviewers"), ("/o", "operators"), ("/x", "nowhere"))
    bound, unbound = Provider("https://a.example", "x", organization=world.id), Provider("https://b.example", "x")
    providers = (replace(bound, groups=mapped), replace(unbound, groups=mapped[:2]))

    findings = await found(as_service(dsn), replace(settings, providers=providers))

    assert findings["mapped groups"].state == "warning"
    assert findings["mapped groups"].found == (
        "groups that do not exist: https://a.example is mapped to nowhere, operators"
    )
    assert "by a group that does not exist nobody gets anything" in str(findings["mapped groups"].remedy)


async def test_examine_finds_that_mapped_groups_exist(dsn: str, world: World, settings: Settings) -> None:
    await world.group(name="reviewers")
    provider = Provider("https://a.example", "x", organization=world.id, groups=(("/r", "reviewers"),))

    findings = await found(as_service(dsn), replace(settings, providers=(provider,)))

    assert findings["mapped groups"] == Finding("mapped groups", "ok", "all that OIDC_GROUPS maps to exist", None)
