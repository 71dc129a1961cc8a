"""Archives of the audit trail: written, taken out, verified with the database or without it, and what is found."""

import gzip
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncpg
import pytest

from service.archives.files import MANIFEST, SEALS
from service.database.migrations import migrate
from service.database.pool import open_database
from service.embedded.cluster import SERVICE_ROLE
from service.feed.sealing import Sealer
from service.settings import Settings
from service.values.months import Month
from tests.audit_months import Raw, fill_month, make_past_months, present
from tests.commands.test_commands import run
from tests.factories import World

ODD = ('{"é\\u0001\\"\\\\": [1.0, 1e400, 12345678901234567890123, null, "\\ud83d\\ude00/"]}', "[]", '"x"', "{}")
"""States whose text is not what another writer of JSON would make of them."""


@dataclass
class Trail:
    """A sealed trail of two organizations, in three months of the past and the present one."""

    dsn: str
    raw: Raw
    months: list[Month]
    directory: Path

    def command(self, *arguments: str, code: int = 0, dsn: str | None = None) -> dict[str, Any]:
        done = run("audit", *arguments, "--json", DATABASE_URL=dsn or self.dsn)
        assert done.returncode == code, done.stdout + done.stderr
        return cast("dict[str, Any]", json.loads(done.stdout or done.stderr))

    def archive(self, *more: str, before: Month | None = None, code: int = 0) -> dict[str, Any]:
        return self.command(
            "archive", "--before", str(before or self.months[2]), "--to", str(self.directory), *more, code=code
        )

    def verify(self, *more: str, code: int = 0) -> dict[str, Any]:
        return self.command("verify", *more, code=code)

    @property
    def archived(self) -> tuple[str, str]:
        return "--archive", str(self.directory)

    async def tables(self) -> set[str]:
        rows = await self.raw.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^audit_[0-9e]'")
        return {row["relname"] for row in rows}


@pytest.fixture(name="trail")
async def _trail(empty_dsn: str, settings: Settings, tmp_path: Path) -> AsyncIterator[Trail]:
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    trail = Trail(empty_dsn, raw, await make_past_months(raw, 3), tmp_path / "archive")
    for world in (await World.create(raw), await World.create(raw)):
        for month in (*trail.months, present()):
            await fill_month(raw, world.id, month, 7)
    for number, state in enumerate(ODD):
        await raw.execute(
            "INSERT INTO audit (organization_id, at, actor, actor_id, action, target, before, request_id)"
            " VALUES ($1, $2, 'é\"\t', gen_random_uuid(), 'a', 'b', $3, 'r')",
            world.id,
            trail.months[number % 2].begin,
            state,
        )
    async with open_database(empty_dsn, settings) as database:
        await Sealer(database, 60).seal()
        await raw.execute("UPDATE audit SET transaction_id = NULL WHERE false")
        yield trail
    await raw.close()


async def seal_more(trail: Trail, settings: Settings) -> None:
    async with open_database(trail.dsn, settings) as database:
        await Sealer(database, 60).seal()


async def test_archive_takes_months_out_and_proves_them(trail: Trail) -> None:
    first, second, third = trail.months
    assert trail.verify() == {
        "status": "OK", "seals": 1, "sealed": 60, "unsealed": 0, "archived": 0, "altered": 0, "alterations": []
    }  # fmt: skip

    made = trail.archive()

    assert [(each["month"], each["entries"], each["organizations"], each["dropped"]) for each in made["months"]] == [
        (str(first), 16, 2, False),
        (str(second), 16, 2, False),
    ]
    assert await trail.raw.fetchval("SELECT count(*) FROM audit") == 28
    assert f"audit_{first.year}_{first.month:02}" in await trail.tables()
    lines = [
        json.loads(line)
        for file in (trail.directory / str(first)).glob("*-*.ndjson.gz")
        for line in gzip.open(file)
    ]  # fmt: skip
    assert len(lines) == 16
    assert lines[1]["at"][:7] == str(first)
    assert trail.verify()["archived"] == 32
    assert trail.verify(*trail.archived) == {
        "status": "OK", "seals": 1, "sealed": 60, "unsealed": 0, "archived": 0, "altered": 0, "alterations": []
    }  # fmt: skip
    assert trail.verify("--only-archives", *trail.archived)["sealed"] == 32
    assert trail.archive()["months"] == []

    dropped = trail.archive("--drop", before=present())

    assert [each["month"] for each in dropped["months"]] == [str(third)]
    assert not {f"audit_{month.year}_{month.month:02}" for month in trail.months} & await trail.tables()
    assert trail.verify(*trail.archived)["sealed"] == 60


async def test_archive_goes_on_where_it_was_ended(trail: Trail) -> None:
    first = trail.months[0]
    whole = trail.archive(before=first.plus(1))
    name = f"audit_{first.year}_{first.month:02}"
    bounds = f"FOR VALUES FROM ('{first.begin.isoformat()}') TO ('{first.plus(1).begin.isoformat()}')"
    # As if it had ended before the month was taken out; and then, on the way: another one still reads the trail.
    await trail.raw.execute(f"ALTER TABLE audit ATTACH PARTITION {name} {bounds}")
    again = trail.archive(before=first.plus(1))
    await trail.raw.execute(f"ALTER TABLE audit ATTACH PARTITION {name} {bounds}")
    other = await asyncpg.connect(trail.dsn)
    reading = other.transaction()
    await reading.start()
    await other.fetch("SELECT FROM audit")
    await trail.raw.execute("SET statement_timeout = '200ms'")
    with pytest.raises(asyncpg.QueryCanceledError):
        await trail.raw.execute(f"ALTER TABLE audit DETACH PARTITION {name} CONCURRENTLY")
    await reading.rollback()
    await other.close()
    half = trail.archive(before=first.plus(1))

    assert whole["months"] == again["months"] == half["months"]
    assert trail.verify(*trail.archived)["sealed"] == 60
    assert await trail.raw.fetchval("SELECT count(*) FROM audit_partitions() WHERE detaching") == 0


async def test_archive_refuses_what_is_not_proven(trail: Trail) -> None:
    first = trail.months[0]
    last = await trail.raw.fetchval("SELECT max(id) FROM audit WHERE at < $1", first.plus(1).begin)
    await trail.raw.execute("UPDATE audit SET actor = 'eve' WHERE id = $1", last)
    altered = trail.archive(code=2)
    await trail.raw.execute("UPDATE audit SET actor = 'é\"\t' WHERE id = $1", last)
    shutil.rmtree(trail.directory)
    await fill_month(trail.raw, (await World.create(trail.raw)).id, first, 2)
    unsealed = trail.archive(code=2)
    as_service = trail.dsn.replace("//postgres@", f"//{SERVICE_ROLE}@")
    unprivileged = trail.command(
        "archive", "--before", str(first), "--to", str(trail.directory), code=2, dsn=as_service
    )
    future = trail.archive(before=present().plus(1), code=64)

    assert f"Entry {last} is not what it was" in altered["msg"]
    assert "2 entries of audit_" in unsealed["msg"]
    assert "connect as flow_migrator" in unprivileged["msg"]
    assert "is not over" in future["msg"]
    assert len([each for each in await trail.tables() if each[6].isdigit()]) == 6
    assert await trail.raw.fetchval("SELECT count(*) FROM audit") == 62


@pytest.mark.parametrize("damage", ["changed", "packed anew", "cut", "gone", "manifest", "other manifest", "seals"])
async def test_alteration_of_an_archive_is_found(trail: Trail, damage: str) -> None:
    trail.archive("--drop")
    folder = trail.directory / str(trail.months[0])
    file = next(folder.glob("*-*.ndjson.gz"))
    manifest = json.loads((folder / MANIFEST).read_text())
    if damage == "changed":
        file.write_bytes(file.read_bytes()[:-20] + bytes(20))
    elif damage == "packed anew":
        import hashlib

        text = gzip.decompress(file.read_bytes()).replace(b'"ada"', b'"eve"')
        file.write_bytes(gzip.compress(text))
        for each in manifest["files"]:
            if each["file"] == file.name:
                each["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
        (folder / MANIFEST).write_text(json.dumps(manifest))
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:100])
    elif damage == "gone":
        file.unlink()
    elif damage == "manifest":
        (folder / MANIFEST).write_text("{}")
    elif damage == "other manifest":
        (folder / MANIFEST).write_text(json.dumps(manifest | {"partition": "other"}))
    else:
        (folder / SEALS).write_bytes(b"")

    both = trail.verify(*trail.archived, code=1)

    assert both["altered"] > 0
    if damage in {"changed", "packed anew", "cut", "gone", "seals"}:
        alone = trail.verify("--only-archives", *trail.archived, code=1)
        kinds = {each["kind"] for each in alone["alterations"]}
        assert kinds <= {"archive", "changed", "missing", "seal"}
        assert damage != "packed anew" or "changed" in kinds


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE audit SET actor = 'eve' WHERE id = $1", "changed"),
        ("UPDATE audit SET at = at - interval '1 month' WHERE id = $1", "changed"),
        ("DELETE FROM audit WHERE id = $1", "missing"),
        (
            "INSERT INTO audit (organization_id, at, actor, action, target, transaction_id)"
            " SELECT organization_id, at, 'eve', 'a', 'b', transaction_id FROM audit WHERE id = $1",
            "inserted",
        ),
        ("DELETE FROM audit_seals WHERE $1 = $1", "inserted"),
    ],
    ids=["change", "back-date", "delete", "insert", "seals"],
)
async def test_alteration_by_a_superuser_is_found_by_the_command(trail: Trail, statement: str, kind: str) -> None:
    trail.archive()
    log = trail.directory / "log"
    rows = await trail.raw.fetch("SELECT number, encode(chain, 'hex') AS chain FROM audit_seals")
    log.write_text("".join(json.dumps({"event": "audit_sealed", "seal": r[0], "chain": r[1]}) + "\nother\n" for r in rows))
    assert trail.verify(*trail.archived, "--log", str(log))["altered"] == 0

    await trail.raw.execute(statement, await trail.raw.fetchval("SELECT min(id) FROM audit"))
    found = trail.verify(*trail.archived, "--log", str(log), code=1)

    assert {each["kind"] for each in found["alterations"]} & {kind, "seal"}
    text = run("audit", "verify", "--log", str(log), DATABASE_URL=trail.dsn)
    assert text.returncode == 1
    assert "altered." in text.stdout
