"""Work on the trail in the background that fails: the log has the cause, as no caller is told anything."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.audit import months
from service.audit.months import AuditMonths
from service.audit.sealing import Sealer
from service.database.pool import Database, open_database
from service.settings import Settings


@pytest.mark.parametrize(
    ("event", "work"),
    [
        ("audit_not_sealed", lambda database: Sealer(database, 0).seal_forever()),
        ("audit_month_not_made", lambda database: AuditMonths(database).make_forever()),
    ],
)
async def test_line_of_failed_work_has_the_cause(
    empty_dsn: str,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    event: str,
    work: Callable[[Database], Coroutine[Any, Any, None]],
) -> None:
    monkeypatch.setattr(months, "FIRST", 0)
    with capture_logs() as lines:
        async with open_database(empty_dsn, settings) as database:
            working = asyncio.create_task(work(database))
            while not (told := [line for line in lines if line["event"] == event]):  # noqa: ASYNC110 - it is no event
                await asyncio.sleep(0.01)
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    assert told[0]["error"].startswith("The database is not ready for this service; try again. (Undefined")
    assert "does not exist" in told[0]["error"]
