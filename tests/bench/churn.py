"""The cache's hit rate for lists while access changes, ten times a second, in the organization of their callers."""

import asyncio
import random
import subprocess
import time
from pathlib import Path

import asyncpg
import requests

from tests.bench.measure import HERE
from tests.process.running import running_service

CHANGES_A_SECOND = 10
_LOOKUPS = "flow_pipelines_response_cache_lookups_total"


def hit_rate(dsn: str, data: Path, directory: Path, connections: int, seconds: int) -> tuple[float, float]:
    """Return the share of lists that were answered from the cache, and the number of changes a second."""
    some = directory / "one-organization"
    some.mkdir(exist_ok=True)
    tokens = (data / "tokens.txt").read_text().split()  # by organization, of which dataset.py makes four
    (some / "tokens.txt").write_text("\n".join(tokens[: len(tokens) // 4]) + "\n")
    with running_service(directory, dsn) as service:
        service.wait_until("/readyz", 200)
        load = ["wrk", "-t1", f"-c{connections}", f"-d{seconds + 3}s", "-s", str(HERE / "calls.lua"), service.api]
        with subprocess.Popen([*load, "--", "list", str(some)], stdout=subprocess.DEVNULL) as running:
            time.sleep(3)
            before = _lookups(service.operations)
            made = asyncio.run(_change(dsn, (some / "tokens.txt").read_text().split()[0], seconds))
            after = _lookups(service.operations)
            running.wait()
    counts = {result: after[result] - before.get(result, 0) for result in after}
    return counts["hit"] / sum(counts.values()), made / seconds


def _lookups(operations: str) -> dict[str, float]:
    text = requests.get(f"{operations}/metrics", timeout=10).text
    lines = [line for line in text.splitlines() if line.startswith(_LOOKUPS + "{")]
    return {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}


async def _change(dsn: str, token: str, seconds: int) -> int:
    """Change grants, every other one a group's, at an even rate as far as the database allows; return their number."""
    chance = random.Random(1)  # noqa: S311 - a load, not a secret
    connection = await asyncpg.connect(dsn)
    organization = await connection.fetchval(
        "SELECT organization_id FROM tokens WHERE digest = sha256(convert_to($1, 'UTF8'))", token
    )
    grants = {
        table: await connection.fetch(f"SELECT * FROM {table} WHERE organization_id = $1", organization)
        for table in ("user_grants", "group_grants")
    }
    started, made = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        table = ("user_grants", "group_grants")[made % 2]
        grant = chance.choice(grants[table])
        await connection.execute(
            f"UPDATE {table} SET access = access # 2"
            f" WHERE organization_id = $1 AND {table[:-7]}_id = $2 AND pipeline_id = $3",
            organization,
            grant[1],
            grant["pipeline_id"],
        )
        made += 1
        await asyncio.sleep(max(0, started + made / CHANGES_A_SECOND - time.monotonic()))
    await connection.close()
    return made
