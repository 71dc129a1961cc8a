"""The short form of tests/faults/pgbouncer.py, with the control of each half; and the limit that a pooler leaves."""

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
from tests.faults.scenarios.pgbouncer import api_tests, sessions_kept

pytestmark = pytest.mark.skipif(not pgbouncer.programs(), reason=pgbouncer.NONE_HERE)
SOME_TESTS = ("-n", "0", "tests/api/test_tokens.py")


def test_no_call_leaves_anything_in_a_session(tmp_path: Path) -> None:
    seen = sessions_kept(tmp_path, len(ROUTES), programs=pgbouncer.programs()[-1:])

    assert seen.broken == ()
    assert seen.times == len(ROUTES)


def test_what_a_call_leaves_in_a_session_is_seen(tmp_path: Path) -> None:
    seen = sessions_kept(tmp_path, 1, session_setting_leak.MODULE, pgbouncer.programs()[-1:])

    assert any("lock_timeout=1000" in breach for breach in seen.broken)


def test_some_tests_of_the_api() -> None:
    seen = api_tests(SOME_TESTS, pgbouncer.programs()[:1])

    assert seen.broken == ()
    assert seen.times > 10


@pytest.mark.skipif(all(each.prepares for each in pgbouncer.programs()), reason="it keeps prepared statements apart")
def test_statements_prepared_before_one_that_mixes_them_up_fail() -> None:
    seen = api_tests((*SOME_TESTS, "--maxfail", "1"), pgbouncer.programs()[:1], prepares=True)

    assert seen.broken


async def test_a_role_s_limit_ends_a_statement_through_a_pooler(
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
