"""Plans of statements, and what stands in them."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg

from tests.plans.recording import Statement

Plan = dict[str, Any]


async def plan_for_arguments(raw: "asyncpg.Connection[asyncpg.Record]", statement: Statement) -> Plan:
    explained = await raw.fetchval(f"EXPLAIN (FORMAT JSON) {statement.text}", *statement.arguments)
    plan: Plan = json.loads(explained)[0]["Plan"]
    return plan


async def plan_for_any(raw: "asyncpg.Connection[asyncpg.Record]", statement: Statement) -> Plan:
    """Return the generic plan, which does not depend on the arguments: here they are NULL."""
    nothing = ", ".join("NULL" for _ in statement.arguments)
    await raw.execute(f"PREPARE planned AS {statement.text}")
    try:
        async with raw.transaction():
            await raw.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            explained = await raw.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned ({nothing})")
    finally:
        await raw.execute("DEALLOCATE planned")
    plan: Plan = json.loads(explained)[0]["Plan"]
    return plan


PLANNERS = (plan_for_arguments, plan_for_any)


def nodes_of(plan: Plan) -> Iterator[Plan]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)


async def ways_to_tables(raw: "asyncpg.Connection[asyncpg.Record]", plan: Plan) -> dict[str, set[str]]:
    """Return, by table, the indexes by which a plan reaches it, and other kinds of scan, such as "Seq Scan"."""
    table_of = {
        row["index"]: row["table"]
        for row in await raw.fetch(
            """
            SELECT i.relname AS index, t.relname AS table
            FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
            """
        )
    }
    ways: dict[str, set[str]] = {}
    for node in nodes_of(plan):
        kind, index, table = node["Node Type"], node.get("Index Name"), node.get("Relation Name")
        if index:
            ways.setdefault(table_of[index], set()).add(index)
        elif table and kind not in ("ModifyTable", "Bitmap Heap Scan"):
            ways.setdefault(table, set()).add(kind)
    return ways
