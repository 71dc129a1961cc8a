"""Archives that were forged, and what is left of them: nothing is believed that no seal proves."""

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

from service.__main__ import commands
from service.audit.archives.files import MANIFEST, SEALS
from service.audit.archives.verifying import Archives, TrailVerification, read_copies
from service.audit.archives.writing import NotArchived
from service.database.pool import Connection
from service.errors import StartupError
from service.repositories import audit_months
from tests.audit.archives.test_archives import Trail, _trail, pack_anew, seal, table
from tests.audit_months import fill_month, present
from tests.factories import World

__all__ = ["_trail"]


def instead(path: Path, make: Callable[[Path], None]) -> None:
    """Put something in the place of a file."""
    path.unlink()
    make(path)


def rewrite(folder: Path, name: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the lines of a file of an archive, and its hash and number of lines in the manifest."""
    lines = change(gzip.decompress((folder / name).read_bytes()).splitlines(keepends=True))
    changed = gzip.compress(b"".join(lines))
    (folder / name).write_bytes(changed)
    describe(folder, name, sha256=hashlib.sha256(changed).hexdigest(), entries=len(lines))


def describe(folder: Path, name: str, *, twice: bool = False, **said: Any) -> None:
    """Describe a file in another way in the manifest."""
    manifest = json.loads((folder / MANIFEST).read_text())
    described = next(each for each in (*manifest["files"], manifest["seals"]) if each["file"] == name)
    described |= said
    manifest["files"] += [described] if twice else []
    (folder / MANIFEST).write_text(json.dumps(manifest))


FORGED: dict[str, Callable[[Path, str], object]] = {
    "line twice": lambda folder, name: rewrite(folder, name, lambda lines: [lines[0], *lines]),
    "line before it": lambda folder, name: rewrite(
        folder, name, lambda lines: [lines[0].replace(b'"ada"', b'"eve"'), *lines]
    ),
    "order": lambda folder, name: rewrite(folder, name, lambda lines: lines[::-1]),
    "line at the end": lambda folder, name: rewrite(folder, name, lambda lines: [*lines, b"{}\n"]),
    "object behind it": lambda folder, name: pack_anew(folder, name, b"}\n", b'}{"actor":"eve"}\n'),
    "more fields": lambda folder, name: pack_anew(folder, name, b'{"id":', b'{"approved_by":"eve","id":'),
    "field twice": lambda folder, name: pack_anew(folder, name, b'"actor":', b'"actor":"eve","actor":'),
    "name of a field": lambda folder, name: pack_anew(folder, name, b'"actor":', b'["actor"]:'),
    "time": lambda folder, name: pack_anew(folder, name, b'"at":', b'"at":1,"was":'),
    "lines said": lambda folder, name: describe(folder, name, entries=10**9),
    "name of a file": lambda folder, name: describe(folder, name, file=5),
    "NUL in its name": lambda folder, name: describe(folder, name, file="a\0b"),
    "another organization": lambda folder, name: describe(folder, name, organization_id=str(UUID(int=1))),
    "file twice": lambda folder, name: describe(folder, name, twice=True),
    "another file's entries": lambda folder, _: (folder / MANIFEST).write_bytes(
        (max(folder.parent.iterdir()) / MANIFEST).read_bytes()
    ),
    "endless line": lambda folder, name: rewrite(folder, name, lambda _: [b"[" * 2**24]),
    "no regular file": lambda folder, name: instead(folder / name, os.mkfifo),
    "link to a device": lambda folder, name: instead(folder / name, lambda path: path.symlink_to("/dev/zero")),
    "numbers of a seal": lambda folder, _: pack_anew(folder, SEALS, b'"ids":[[', b'"ids":[[1,1000000000000000],['),
    "time of a seal": lambda folder, _: pack_anew(folder, SEALS, b'+00:00","epoch"', b'","epoch"'),
}
"""What a reader of a file would take for proven, beside what is."""


async def test_forgery_of_an_archive_is_found(trail: Trail) -> None:
    await trail.archive(drop=True)
    whole = trail.directory.with_name("whole")
    trail.directory.rename(whole)
    for name, forge in FORGED.items():
        shutil.copytree(whole, trail.directory)
        folder = trail.directory / str(trail.months[0])
        forge(folder, min(folder.glob("*-*.ndjson.gz")).name)
        for database in (True, False):
            _, found = await trail.verify(database=database)
            assert found, (name, database)
            assert {each.kind for each in found} <= {"archive", "changed", "missing", "seal"}
        shutil.rmtree(trail.directory)


@pytest.mark.slow
async def test_archives_of_one_month_must_be_one(trail: Trail, tmp_path: Path) -> None:
    """One of them must not stand for the other, whichever was given first."""
    await trail.archive()
    altered = tmp_path / "altered"
    shutil.copytree(trail.directory, altered)
    folder = altered / str(trail.months[0])
    pack_anew(folder, min(folder.glob("*-*.ndjson.gz")).name, b'"ada"', b'"eve"')
    for directories in ([trail.directory, altered], [altered, trail.directory]):
        verification = TrailVerification(Archives.open(directories))

        found = {each.kind for each in [each async for each in verification.verify(None)]}

        assert {"archive", "changed"} <= found
    same = TrailVerification(Archives.open([trail.directory, trail.directory]))
    assert [each async for each in same.verify(None)] == []


@pytest.mark.slow
async def test_months_between_archives_are_not_said_to_be_taken_away(trail: Trail) -> None:
    for number in (1, 2, 2):
        await fill_month(trail.raw, (await World.create(trail.raw)).id, trail.months[number], 2)
        await seal(trail)
    await trail.archive(present())
    shutil.rmtree(trail.directory / str(trail.months[1]))

    _, found = await trail.verify(database=False)

    told = {each.sentence for each in found if each.kind == "seal"}
    assert told == {"Seal 3 does not follow seal 1: those between are not there, or it was made anew."}


@pytest.mark.slow
async def test_manifest_that_was_there_before_is_noted_only_if_all_of_it_is_so(trail: Trail) -> None:
    first = trail.months[0]
    await trail.archive(first.plus(1))
    folder = trail.directory / str(first)
    bounds = f"FOR VALUES FROM ('{first.begin.isoformat()}') TO ('{first.plus(1).begin.isoformat()}')"
    await trail.raw.execute(f"ALTER TABLE audit ATTACH PARTITION {table(first)} {bounds}")
    whole = (folder / MANIFEST).read_text(), (folder / SEALS).read_bytes()
    planted: dict[str, Callable[[], object]] = {
        "elsewhere": lambda: (folder / MANIFEST).write_text(
            json.dumps(json.loads(whole[0]) | {"elsewhere": [[1, 10**6]]})
        ),
        "first": lambda: (folder / MANIFEST).write_text(json.dumps(json.loads(whole[0]) | {"first": 10**6})),
        "seal": lambda: pack_anew(folder, SEALS, b'"snapshot":"', b'"snapshot":"1'),
        "no seal": lambda: rewrite(folder, SEALS, lambda _: []),
        "seal twice": lambda: rewrite(folder, SEALS, lambda lines: lines * 2),
    }
    for name, plant in planted.items():
        plant()
        with pytest.raises(NotArchived, match=r"something else of the seals|another seal than"):
            await trail.archive(first.plus(1))
        assert table(first) in {each.name for each in await audit_months.list_partitions(Connection(trail.raw))}, name
        (folder / MANIFEST).write_text(whole[0])
        (folder / SEALS).write_bytes(whole[1])


@pytest.mark.slow
async def test_month_is_dropped_only_with_its_archive_whole(trail: Trail) -> None:
    """Also by a later run, which has only the manifest to go by: files may have been lost since."""
    first = trail.months[0]
    await trail.archive(first.plus(1))
    folder = trail.directory / str(first)
    name = min(folder.glob("*-*.ndjson.gz")).name
    packed = (folder / name).read_bytes()
    for damage, sentence in (
        ((folder / name).unlink, "No such file"),
        (lambda: (folder / name).write_bytes(packed[:50]), "is not what it was"),
    ):
        damage()
        with pytest.raises(NotArchived, match=rf"{sentence}.* is not dropped"):
            await trail.archive(first.plus(1), drop=True)
        (folder / name).write_bytes(packed)
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text() + " ")
    with pytest.raises(NotArchived, match="nothing is dropped"):
        await trail.archive(first.plus(1), drop=True)
    assert table(first) in await trail.tables()


def test_lines_of_a_log_that_say_no_seal_are_left_out(tmp_path: Path) -> None:
    lines = (
        b'{"event": "audit_sealed"}',
        b'{"event": "audit_sealed", "seal": "x", "chain": "y"}',
        b"\xff\xfe{",
        b"[" * 9999,
    )
    (tmp_path / "log").write_bytes(b"\n".join([*lines, b'{"event": "audit_sealed", "seal": 1, "chain": "aa"}']))

    with (tmp_path / "log").open(errors="replace") as log:
        assert read_copies(log) == {1: "aa"}
    collected = [
        f'2026-11-26T10:00:00Z stdout F {{"event": "audit_sealed", "seal": 1, "chain": "{each}"}}' for each in "ab"
    ]
    assert (read_copies(collected), read_copies(collected).twice) == ({1: "a"}, {1})
    (tmp_path / "2026-01").mkdir()
    (tmp_path / "2026-01" / MANIFEST).write_text("{}")
    options = ("--only-archives", "--archive", str(tmp_path), "--log", str(tmp_path / "log"))
    done = CliRunner().invoke(commands, ("audit", "verify", *options))
    assert (done.exit_code, "is no manifest" in done.output) == (1, True)


@pytest.mark.parametrize("log", [b"", b"\x1f\x8b\x08", b'{"event": "started"}\n'], ids=["empty", "packed", "another"])
def test_log_without_seals_is_no_proof(tmp_path: Path, log: bytes) -> None:
    (tmp_path / "log").write_bytes(log)
    (tmp_path / "2026-01").mkdir()
    (tmp_path / "2026-01" / MANIFEST).write_text("{}")
    options = ("--only-archives", "--archive", str(tmp_path), "--log", str(tmp_path / "log"))

    with pytest.raises(StartupError, match="no line audit_sealed"):
        CliRunner().invoke(commands, ("audit", "verify", *options), catch_exceptions=False)
