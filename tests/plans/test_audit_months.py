"""Pages of the audit trail touch the months that they show, and no other, however many there are."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.database.migrations import migrate
from service.repositories import audit, audit_feed
from service.repositories.ordering import Column, Order, Orders, Span
from service.values.months import Month
from tests.audit_months import Raw, fill_month, make_past_months, present
from tests.plans.planning import nodes_of
from tests.plans.recording import Recorder

MONTHS = 84
ENTRIES = 40


@dataclass(frozen=True)
class Years:
    """A trail of seven years."""

    raw: Raw
    organization_id: UUID
    months: list[Month]

    async def explain(
        self, after: list[Any] | None = None, sign: str = "-", **filters: Any
    ) -> tuple[set[str], dict[str, Any]]:
        """Return the months that a page of ten entries has touched, and what EXPLAIN says."""
        recorder = Recorder(self.raw)
        given = dict.fromkeys(("actor", "action", "target", "since", "until")) | filters
        await audit.page(recorder, self.organization_id, **given, span=Span(audit.ORDERS.find(f"{sign}at"), after, 10))
        statement = recorder.sent[0]
        explained = await self.raw.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}", *statement.arguments)
        plan = json.loads(explained)[0]
        run = [node for node in nodes_of(plan["Plan"]) if "Relation Name" in node and node["Actual Loops"]]
        assert {node["Node Type"] for node in run} <= {"Index Scan"}
        return {re.sub("audit_(....)_(..)", r"\1-\2", node["Relation Name"]) for node in run}, plan


@pytest.fixture(scope="module", name="years")
async def _years(server_dsn: str) -> AsyncIterator[Years]:
    connection = await asyncpg.connect(server_dsn)
    await connection.execute("CREATE DATABASE years")
    await connection.execute("REVOKE CONNECT ON DATABASE years FROM PUBLIC")  # as doctor tells of what is open
    dsn = urlunsplit(urlsplit(server_dsn)._replace(path="/years"))
    await migrate(dsn)
    raw, organization_id = await asyncpg.connect(dsn), uuid4()
    months = await make_past_months(raw, MONTHS)
    for month in months:
        await fill_month(raw, organization_id, month, ENTRIES)
    await raw.execute("ANALYZE")
    await raw.execute("SET enable_seqscan = off")  # of months of one page, for which the planner may take it
    yield Years(raw, organization_id, months)
    await raw.close()
    await connection.execute("DROP DATABASE years")
    await connection.close()


def around(month: Month) -> set[str]:
    """Return the empty months behind the last one with entries, which a first page looks into."""
    return {*(str(month.plus(ahead)) for ahead in range(4)), "audit_later"}


async def test_first_page_touches_the_newest_months_alone(years: Years) -> None:
    touched, plan = await years.explain()

    print(f"{MONTHS} months: planned in {plan['Planning Time']} ms, run in {plan['Execution Time']} ms")
    assert touched == around(present().plus(-1))


@pytest.mark.parametrize("filters", [{}, {"target": "job:3"}, {"actor": "ADA"}], ids=["all", "target", "actor"])
async def test_page_behind_an_entry_touches_no_later_month(years: Years, filters: dict[str, Any]) -> None:
    month = years.months[40]
    after = [(month.begin + timedelta(minutes=35)).isoformat(), 2**62]

    touched, _ = await years.explain(after, **filters)

    assert touched <= {str(month.plus(-back)) for back in range(4)}
    assert str(month) in touched
    assert len(touched) == (3 if "target" in filters else 1)


async def test_oldest_first_touches_no_earlier_month(years: Years) -> None:
    month = years.months[40]

    touched, _ = await years.explain([(month.begin + timedelta(minutes=5)).isoformat(), 0], sign="")

    assert touched == {str(month)}


async def test_pages_between_two_times_touch_the_months_between(years: Years) -> None:
    month = years.months[12]

    touched, _ = await years.explain(since=month.begin, until=month.plus(1).begin)

    assert touched == {str(month)}


async def test_feed_looks_up_an_entry_in_its_month_alone(years: Years) -> None:
    """What is new is looked for by transaction, in every month; what was found is then read in its own."""
    seen = await audit_feed.snapshot(Recorder(years.raw))
    await fill_month(years.raw, years.organization_id, present(), 1)
    recorder = Recorder(years.raw)
    found = await audit_feed.read_between(recorder, [years.organization_id], seen=seen, target=None, after=0)
    statement = recorder.sent[0]
    explained = await years.raw.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}", *statement.arguments)
    run = [node for node in nodes_of(json.loads(explained)[0]["Plan"]) if node["Actual Loops"]]

    print(f"{MONTHS} months: planned in {json.loads(explained)[0]['Planning Time']} ms,", end=" ")
    print(f"run in {json.loads(explained)[0]['Execution Time']} ms")
    assert len(found.entries) == 1
    by_time = [node for node in run if re.search("_at_|by_time", node.get("Index Name", ""))]
    assert [node["Relation Name"] for node in by_time] == [f"audit_{present().year}_{present().month:02}"]
    assert "Seq Scan" not in {node["Node Type"] for node in run}


async def test_feed_has_an_entry_that_is_dated_months_before_its_commit(years: Years) -> None:
    """Nothing bounds an entry's time by the place behind which it is new: no month can be left out by it."""
    seen = await audit_feed.snapshot(Recorder(years.raw))
    await fill_month(years.raw, years.organization_id, years.months[3], 1)
    found = await audit_feed.read_between(Recorder(years.raw), [years.organization_id], seen=seen, target=None, after=0)

    assert [each.entry.at for each in found.entries] == [years.months[3].begin + timedelta(minutes=1)]


async def test_page_by_number_touches_every_month(years: Years, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: in the order of numbers, as it was, each month has to be looked into."""
    by_number = Orders("-at", {"at": Order((Column("a.id", "bigint"),), lambda entry: (entry.id,))})
    monkeypatch.setattr(audit, "ORDERS", by_number)

    touched, _ = await years.explain()

    assert len(touched) > MONTHS
