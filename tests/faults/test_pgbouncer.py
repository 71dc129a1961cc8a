"""The short form of `make faults FAULTS="pgbouncer sessions"`, their controls, and the time limit of a role."""

from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from service.database.migrations import migrate
from service.database.pool import open_database
from service.errors import DeadlineExceeded
from service.http.routes import ROUTES
from service.settings import Settings
from tests import pgbouncer
from tests.faults.controls import session_setting_leak
from tests.faults.scenarios.pgbouncer import check_sessions, run_api_tests

pytestmark = pytest.mark.skipif(not pgbouncer.programs(), reason=pgbouncer.NONE_HERE)
SOME_TESTS = ("-n", "0", "tests/api/test_tokens.py")


def test_calls_leave_sessions_unchanged(tmp_path: Path) -> None:
    outcome = check_sessions(tmp_path, len(ROUTES), programs=pgbouncer.programs()[-1:])

    assert outcome.violations == ()
    assert outcome.times == len(ROUTES)


def test_a_control_that_leaves_a_session_setting_is_detected(tmp_path: Path) -> None:
    outcome = check_sessions(tmp_path, 1, session_setting_leak.MODULE, pgbouncer.programs()[-1:])

    assert any("lock_timeout=2000" in violation for violation in outcome.violations)


def test_api_tests_pass_through_a_pooler() -> None:
    outcome = run_api_tests(SOME_TESTS, pgbouncer.programs()[:1])

    assert outcome.violations == ()
    assert outcome.times > 10


@pytest.mark.skipif(all(each.prepares for each in pgbouncer.programs()), reason="no PgBouncer before 1.21 is here")
def test_prepared_statements_through_a_pooler_without_support_fail() -> None:
    outcome = run_api_tests((*SOME_TESTS, "--maxfail", "1"), pgbouncer.programs()[:1], prepares=True)

    assert outcome.violations


async def test_statement_timeout_of_a_role_holds_through_a_pooler(
    empty_dsn: str, settings: Settings, tmp_path: Path
) -> None:
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    database = await raw.fetchval("SELECT current_database()")
    await raw.execute(f"ALTER ROLE flow_service IN DATABASE {database} SET statement_timeout = '50ms'")
    await raw.close()
    program = pgbouncer.programs()[-1]
    settings = replace(settings, database_prepared_statements=program.prepares)
    with pgbouncer.running(program, tmp_path, empty_dsn, program.transaction_mode()) as pooled:
        async with open_database(pooled, settings) as opened:
            with pytest.raises(DeadlineExceeded):
                async with opened.connection() as connection:
                    await connection.fetch("test", "SELECT pg_sleep(1)")
