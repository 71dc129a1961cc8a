"""Archives of the audit trail: written, taken out, verified with the database or without it, and what is found."""

import gzip
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner

from service.__main__ import commands
from service.audit.archives.files import MANIFEST, SEALS, BadArchive
from service.audit.archives.verifying import Archives, TrailVerification, read_copies
from service.audit.archives.writing import Archiver, NotArchived, Outcome
from service.audit.sealing import Sealer
from service.audit.verification import Alteration, Published
from service.commands.target import open_target
from service.database.migrations import migrate
from service.database.pool import Connection, open_database
from service.embedded.cluster import SERVICE_ROLE
from service.errors import Gone
from service.identity import operator
from service.operations.call import Call
from service.operations.changes import list_changes
from service.repositories import audit_archives
from service.repositories.audit_months import Partition
from service.schemas.changes import ListChanges
from service.settings import Settings
from service.values.months import Month
from tests.audit_months import Raw, fill_month, make_past_months, present
from tests.commands.forked import run_each
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
    settings: Settings

    async def archive(self, before: Month | None = None, *, drop: bool = False) -> list[Outcome]:
        archiver = Archiver(self.raw, self.directory, open_target, drop)
        return [each async for each in archiver.archive(before or self.months[2])]

    async def verify(
        self, *, archives: bool = True, database: bool = True, copies: Published | None = None
    ) -> tuple[TrailVerification, list[Alteration]]:
        verification = TrailVerification(Archives.open([self.directory] if archives else []), copies)
        found = verification.verify(Connection(self.raw) if database else None)
        return verification, [each async for each in found]

    async def verified(self, **how: Any) -> int:
        """Return the number of entries that were compared with their seals, none of them altered.

        What a test has written into a month of the past once there were seals was dated back, and is found.
        """
        verification, found = await self.verify(**how)
        assert {each.kind for each in found} <= {"dated"}
        return verification.verification.sealed - verification.not_looked_at

    async def tables(self) -> set[str]:
        rows = await self.raw.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^audit_[0-9e]'")
        return {row["relname"] for row in rows}


def table(month: Month) -> str:
    return f"audit_{month.year}_{month.month:02}"


@pytest.fixture(name="trail")
async def _trail(empty_dsn: str, settings: Settings, tmp_path: Path) -> AsyncIterator[Trail]:
    await migrate(empty_dsn)
    raw = await asyncpg.connect(empty_dsn)
    trail = Trail(empty_dsn, raw, await make_past_months(raw, 3), tmp_path / "archive", settings)
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
    await seal(trail)
    yield trail
    await raw.close()


async def test_archive_takes_months_out_and_proves_them(trail: Trail) -> None:
    first, second, third = trail.months
    assert await trail.verified(archives=False) == 60

    made = await trail.archive()

    assert [each[:4] for each in made] == [(str(each), table(each), 16, 2) for each in (first, second)]
    assert await trail.raw.fetchval("SELECT count(*) FROM audit") == 28
    assert table(first) in await trail.tables()
    files = [*(trail.directory / str(first)).glob("*-*.ndjson.gz")]
    lines = [json.loads(line) for file in files for line in gzip.decompress(file.read_bytes()).splitlines()]
    assert len(lines) == 16
    assert {each["at"][:7] for each in lines} == {str(first)}
    assert await trail.verified(archives=False) == 28
    assert await trail.verified() == 60
    assert await trail.verified(database=False) == 32
    assert await trail.archive() == []

    dropped = await trail.archive(present(), drop=True)

    assert [(each.month, each.dropped) for each in dropped] == [(str(third), True)]
    assert not {table(month) for month in trail.months} & await trail.tables()
    assert await trail.verified() == 60


async def test_months_before_there_were_partitions_are_archived_by_month(trail: Trail) -> None:
    old = trail.months[0].plus(-14)
    await fill_month(trail.raw, (await World.create(trail.raw)).id, old, 3)
    await fill_month(trail.raw, (await World.create(trail.raw)).id, old.plus(1), 4)
    await seal(trail)

    made = await trail.archive(trail.months[0], drop=True)

    assert [each[:4] for each in made] == [(str(old), "audit_earlier", 3, 1), (str(old.plus(1)), "audit_earlier", 4, 1)]
    assert await trail.verified() == 67
    assert await trail.verified(database=False) == 7


async def test_archive_goes_on_where_it_was_ended(trail: Trail) -> None:
    first = trail.months[0]
    whole = await trail.archive(first.plus(1))
    bounds = f"FOR VALUES FROM ('{first.begin.isoformat()}') TO ('{first.plus(1).begin.isoformat()}')"
    # As if it had ended before the month was taken out; and then, on the way: another one still reads the trail.
    await trail.raw.execute(f"ALTER TABLE audit ATTACH PARTITION {table(first)} {bounds}")
    again = await trail.archive(first.plus(1))
    await trail.raw.execute(f"ALTER TABLE audit ATTACH PARTITION {table(first)} {bounds}")
    other = await asyncpg.connect(trail.dsn)
    reading = other.transaction()
    await reading.start()
    await other.fetch("SELECT FROM audit")
    await trail.raw.execute("SET statement_timeout = '100ms'")
    with pytest.raises(asyncpg.QueryCanceledError):
        await trail.raw.execute(f"ALTER TABLE audit DETACH PARTITION {table(first)} CONCURRENTLY")
    await trail.raw.execute("RESET statement_timeout")
    await reading.rollback()
    await other.close()
    assert await trail.raw.fetchval("SELECT count(*) FROM audit_partitions() p WHERE p.detaching") == 1
    half = await trail.archive(first.plus(1))

    assert whole == again == half
    assert await trail.verified() == 60
    assert await trail.raw.fetchval("SELECT count(*) FROM audit_partitions() p WHERE p.detaching") == 0


async def test_archive_refuses_what_is_not_proven(trail: Trail) -> None:
    first = trail.months[0]
    last = await trail.raw.fetchval("SELECT min(id) FROM audit WHERE at < $1", first.plus(1).begin)
    await trail.raw.execute("UPDATE audit SET actor = 'eve' WHERE id = $1", last)
    with pytest.raises(NotArchived, match=f"Entry {last} is not what it was"):
        await trail.archive()
    await trail.raw.execute("UPDATE audit SET actor = 'ada' WHERE id = $1", last)
    # What was written is not what is there now: it is not taken for it.
    with pytest.raises(NotArchived, match="Entry"):
        await trail.archive()
    shutil.rmtree(trail.directory)
    await fill_month(trail.raw, (await World.create(trail.raw)).id, first, 2)
    with pytest.raises(NotArchived, match="2 entries of audit_"):
        await trail.archive()
    await seal(trail)
    service = await asyncpg.connect(trail.dsn.replace("//postgres@", f"//{SERVICE_ROLE}@"))
    archiver = Archiver(service, trail.directory, open_target, drop=False)
    with pytest.raises(NotArchived, match="connect as flow_migrator"):
        _ = [each async for each in archiver.archive(first)]
    await service.close()

    assert await trail.raw.fetchval("SELECT count(*) FROM audit") == 62
    assert len(await trail.archive()) == 2
    assert await trail.verified() == 62


async def test_archive_refuses_a_folder_that_is_not_its_own(trail: Trail) -> None:
    first = trail.months[0]
    await trail.archive(first.plus(1))
    folder = trail.directory / str(first)
    bounds = f"FOR VALUES FROM ('{first.begin.isoformat()}') TO ('{first.plus(1).begin.isoformat()}')"
    await trail.raw.execute(f"ALTER TABLE audit ATTACH PARTITION {table(first)} {bounds}")
    manifest = json.loads((folder / MANIFEST).read_text())
    for text, sentence in (
        ("{", "is no manifest"),
        (json.dumps(manifest | {"format": 2}), "of another form"),
        (json.dumps(manifest | {"entries": 1}), "another archive of"),
        (json.dumps(manifest | {"files": manifest["files"][:1]}), "has not all of"),
        (json.dumps(manifest | {"seals": manifest["seals"] | {"file": "../x"}}), "names a file of another folder"),
    ):
        (folder / MANIFEST).write_text(text)
        with pytest.raises(NotArchived, match=sentence):
            await trail.archive(first.plus(1))
    shutil.rmtree(trail.directory)
    trail.directory.write_text("")
    with pytest.raises(NotArchived, match="can't be made"):
        await trail.archive(first.plus(1))

    assert await trail.raw.fetchval("SELECT count(*) FROM audit") == 60


async def test_entry_written_while_its_month_is_taken_out_puts_the_month_back(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, detach = trail.months[0], audit_archives.detach
    world = await World.create(trail.raw)

    async def write_and_detach(connection: Connection, partition: Partition) -> None:
        await fill_month(trail.raw, world.id, first, 1)
        await detach(connection, partition)

    monkeypatch.setattr(audit_archives, "detach", write_and_detach)
    with pytest.raises(NotArchived, match="is back in the trail"):
        await trail.archive(first.plus(1))

    assert await trail.raw.fetchval("SELECT count(*) FROM audit") == 61


def pack_anew(folder: Path, name: str, old: bytes, new: bytes) -> None:
    """Change a file of an archive, and its hash in the manifest."""
    changed = gzip.compress(gzip.decompress((folder / name).read_bytes()).replace(old, new, 1))
    (folder / name).write_bytes(changed)
    text = (folder / MANIFEST).read_text()
    said = json.loads(text)
    for each in (*said["files"], said["seals"]):
        if each["file"] == name:
            text = text.replace(each["sha256"], hashlib.sha256(changed).hexdigest())
    (folder / MANIFEST).write_text(text)


DAMAGES: dict[str, Callable[[Path, str], object]] = {
    "byte": lambda folder, name: (folder / name).write_bytes((folder / name).read_bytes()[:-9] + bytes(9)),
    "cut": lambda folder, name: (folder / name).write_bytes((folder / name).read_bytes()[:50]),
    "gone": lambda folder, name: (folder / name).unlink(),
    "entry": lambda folder, name: pack_anew(folder, name, b'"ada"', b'"eve"'),
    "put in": lambda folder, name: pack_anew(folder, name, b'{"id":', b'{"id":9'),
    "line": lambda folder, name: pack_anew(folder, name, b"{", b"["),
    "field": lambda folder, name: pack_anew(folder, name, b'"actor"', b'"actress"'),
    "seals": lambda folder, _: pack_anew(folder, SEALS, b'"chain":"', b'"chain":"00'),
    "seal": lambda folder, _: pack_anew(folder, SEALS, b"{", b"["),
}


async def test_alteration_of_an_archive_is_found(trail: Trail) -> None:
    await trail.archive(drop=True)
    whole = trail.directory.with_name("whole")
    trail.directory.rename(whole)
    for name, damage in DAMAGES.items():
        shutil.copytree(whole, trail.directory)
        folder = trail.directory / str(trail.months[0])
        damage(folder, min(folder.glob("*-*.ndjson.gz")).name)
        for database in (True, False):
            _, found = await trail.verify(database=database)
            assert found, (name, database)
            assert {each.kind for each in found} <= {"archive", "changed", "missing", "seal"}
        shutil.rmtree(trail.directory)
    shutil.copytree(whole, trail.directory)
    assert await trail.verified() == await trail.verified(database=False) + 28 == 60
    (trail.directory / str(trail.months[1]) / MANIFEST).write_text("{}")
    assert {each.kind for each in (await trail.verify())[1]} == {"archive"}


async def test_entry_that_is_archived_and_in_the_trail_must_be_one(trail: Trail) -> None:
    """A month is both for as long as it is not taken out: an alteration of either shows."""
    first = trail.months[0]
    await trail.archive(first.plus(1))
    bounds = f"FOR VALUES FROM ('{first.begin.isoformat()}') TO ('{first.plus(1).begin.isoformat()}')"
    await trail.raw.execute(f"ALTER TABLE audit ATTACH PARTITION {table(first)} {bounds}")
    assert await trail.verified() == 60
    await trail.raw.execute(f"UPDATE {table(first)} SET actor = 'eve' WHERE actor = 'ada'")
    assert "archive" in {each.kind for each in (await trail.verify())[1]}
    await trail.raw.execute(f"UPDATE {table(first)} SET actor = 'ada' WHERE actor = 'eve'")
    folder = trail.directory / str(first)
    pack_anew(folder, min(folder.glob("*-*.ndjson.gz")).name, b'"ada"', b'"eve"')

    assert {"archive", "changed"} <= {each.kind for each in (await trail.verify())[1]}


async def test_archive_that_is_not_the_one_that_was_noted_is_found(trail: Trail) -> None:
    await trail.archive()
    manifest = trail.directory / str(trail.months[0]) / MANIFEST
    manifest.write_text(manifest.read_text().replace("\n", " "))

    _, found = await trail.verify()

    assert [each.sentence for each in found] == [
        f"{manifest.parent} is not the archive of that month that was noted when it was made."
    ]


async def test_archives_without_the_first_ones_are_verified(trail: Trail) -> None:
    world = await World.create(trail.raw)
    await fill_month(trail.raw, world.id, trail.months[2], 5)
    await seal(trail)
    await trail.archive(present())
    shutil.rmtree(trail.directory / str(trail.months[0]))
    shutil.rmtree(trail.directory / str(trail.months[1]))

    verification, found = await trail.verify(database=False)

    assert {each.kind for each in found} == {"dated"}
    assert (verification.verification.seals, verification.verification.sealed - verification.not_looked_at) == (2, 19)
    assert (await trail.verify())[0].not_looked_at == 32
    with pytest.raises(BadArchive, match="has no month of an archive: give the directory"):
        Archives.open([trail.directory / str(trail.months[2])])
    with pytest.raises(BadArchive, match="can't be read"):
        Archives.open([trail.directory / "x"])


async def test_month_that_is_not_over_by_the_databases_clock_is_not_archived(trail: Trail) -> None:
    """Whatever the clock of the machine says on which the command runs."""
    with pytest.raises(NotArchived, match=f"By the database's clock it is {present()}, whose entries are not all"):
        await trail.archive(present().plus(1))
    assert not trail.directory.exists()


async def test_seals_that_were_made_anew_are_found_by_archives_and_logs(trail: Trail) -> None:
    await trail.archive()
    seals = await trail.raw.fetch("SELECT number, encode(chain, 'hex') FROM audit_seals")
    lines = [json.dumps({"event": "audit_sealed", "seal": row[0], "chain": row[1]}) for row in seals]
    copies = read_copies([*lines, "no JSON", "[]", '{"event": "other"}'])
    assert (await trail.verify(archives=False, copies=copies))[1] == []
    await trail.raw.execute("UPDATE audit SET actor = 'eve'; DELETE FROM audit_seals")
    await seal(trail)

    for how in ({"archives": False, "copies": copies}, {"archives": True}):
        _, found = await trail.verify(**how)
        assert "seal" in {each.kind for each in found}
    # A service that knows no better publishes what was sealed anew, too.
    seals = await trail.raw.fetch("SELECT number, encode(chain, 'hex') FROM audit_seals")
    lines += [json.dumps({"event": "audit_sealed", "seal": row[0], "chain": row[1]}) for row in seals]
    for known in (lines, lines[len(seals) :]):
        _, found = await trail.verify(copies=read_copies(known))
        assert "seal" in {each.kind for each in found}
    assert (await trail.verify(archives=False, copies=read_copies(lines[len(seals) :])))[1] == []
    # Without a copy from elsewhere nothing shows: the control.
    await trail.raw.execute("DELETE FROM audit_archives")
    assert (await trail.verify(archives=False))[1] == []


async def test_feed_goes_on_over_months_and_refuses_places_that_were_archived(trail: Trail) -> None:
    organization_id = await trail.raw.fetchval("SELECT organization_id FROM audit ORDER BY id LIMIT 1")
    await fill_month(
        trail.raw, organization_id, present(), 1
    )  # behind the odd ones, as the last entry is a present one
    async with open_database(trail.dsn, trail.settings) as database:
        call = Call(operator(organization_id), database)
        early = await list_changes(call, ListChanges(after="0", all=True, page_size=3))
        rest = await list_changes(call, ListChanges(after=early.next_cursor, all=True, page_size=100))
        assert len(early.changes) + len(rest.changes) == 29

        await trail.archive()
        await fill_month(trail.raw, organization_id, present(), 1)

        with pytest.raises(Gone, match="older than what is kept"):
            await list_changes(call, ListChanges(after=early.next_cursor, all=True))
        assert len((await list_changes(call, ListChanges(after=rest.next_cursor, all=True))).changes) == 1
        kept = await list_changes(call, ListChanges(after="0", all=True, page_size=100))
        assert len(kept.changes) == 16


async def test_commands_archive_and_verify(trail: Trail) -> None:
    to, third = ("--to", str(trail.directory)), str(trail.months[2])
    altered = ("audit", "verify", "--archive", str(trail.directory))
    calls: list[tuple[int, tuple[str, ...]]] = [
        (2, altered),
        (0, ("audit", "archive", *to, "--before", third)),
        (0, ("audit", "archive", *to, "--before", str(present()), "--drop", "--json")),
        (0, (*altered, "--only-archives", "--json")),
        (0, ("audit", "verify")),
    ]
    done = run_each([call for _, call in calls], DATABASE_URL=trail.dsn, AUDIT_RETENTION_MONTHS="0")

    assert [each.returncode for each in done] == [code for code, _ in calls], [each.stderr for each in done]
    assert "the table audit_" in done[1].stdout
    assert json.loads(done[2].stdout)["months"][0]["dropped"] is True
    assert json.loads(done[3].stdout) == {
        "status": "OK", "seals": 1, "sealed": 46, "unsealed": 0, "archived": 14, "altered": 0, "alterations": []
    }  # fmt: skip
    assert done[4].stdout == "14 entries were compared with the seals up to 1: none altered.\n"
    assert "46 more are in other archives" in done[4].stderr
    await fill_month(trail.raw, (await World.create(trail.raw)).id, present(), 2)
    await trail.raw.execute("DELETE FROM audit WHERE id = (SELECT min(id) FROM audit)")
    (gone,) = run_each([altered], DATABASE_URL=trail.dsn)
    assert gone.returncode == 1
    assert "missing   Entry" in gone.stdout
    assert "2 entries since the last seal are not sealed yet" in gone.stderr


async def test_archive_beside_another_one_is_refused(trail: Trail) -> None:
    other = await asyncpg.connect(trail.dsn)
    beside = Archiver(other, trail.directory, open_target, drop=False)
    assert await trail.archive(trail.months[1])

    with pytest.raises(NotArchived, match="Another `audit archive` of this database is under way"):
        assert [each async for each in beside.archive(trail.months[2])]
    await trail.raw.execute("SELECT pg_advisory_unlock_all()")
    assert [each.month async for each in beside.archive(trail.months[2])] == [str(trail.months[1])]
    await other.close()


async def test_verify_names_folders_without_a_manifest(trail: Trail) -> None:
    await trail.archive()
    folder = trail.directory / str(trail.months[0])
    (folder / MANIFEST).unlink()

    (done,) = run_each([("audit", "verify", "--only-archives", "--archive", str(trail.directory))])

    assert done.returncode == 0
    assert f"{folder} was not looked at, as it has no {MANIFEST}" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("audit", "archive", "--before", "2026-01", "--to", ""), "The name of the directory is empty"),
        (("audit", "verify", "--archive", ""), "The name of the directory is empty"),
        (("audit", "archive", "--to", "x"), "Say --before, or set AUDIT_RETENTION_MONTHS"),
        (("audit", "archive", "--to", "x", "--before", "2026-13"), "'2026-13' is no month"),
        (("audit", "archive", "--to", "x", "--before", "2199-12"), "is not over: it stays"),
        (("audit", "verify", "--only-archives"), "Say by --archive which archives"),
        (("--server", "http://127.0.0.1:1", "audit", "verify"), "takes no --server"),
        (("audit", "verify", "--archive", "/nonexistent/x"), "No such file"),
    ],
    ids=[
        "no name to archive",
        "no name to verify",
        "no before",
        "no month",
        "not over",
        "no archives",
        "server",
        "no directory",
    ],
)
def test_commands_refuse_before_they_look_at_the_database(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(commands, arguments)

    assert done.exit_code != 0
    assert said in f"{done.output}{done.exception}"


async def seal(trail: Trail) -> None:
    async with open_database(trail.dsn, trail.settings) as database:
        await Sealer(database, 60).seal()
