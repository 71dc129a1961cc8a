"""The archiving of months: written, read again, compared with the seals, noted, and only then taken out.

Whatever ends it, it can be run again, and goes on: what was written is read again instead, and what was taken out half
is taken out.
"""

import gzip
import hashlib
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import IO, Final, NamedTuple

from service.audit.archives.files import (
    MANIFEST,
    SEALS,
    BadArchive,
    FileOf,
    Manifest,
    dump_seal,
    folder_of,
    name_of,
    read_entries,
    read_lines,
    read_manifest,
    read_seals,
)
from service.database.connector import Raw
from service.database.pool import Connection
from service.errors import StartupError
from service.repositories import audit_archives, audit_months
from service.repositories.audit_archives import Archived, Part
from service.repositories.audit_months import Partition
from service.values.months import Month

OpenFile = Callable[[str], AbstractContextManager[IO[bytes]]]
"""Opens a file to be written, which has its name only once it is whole."""
_LEVEL: Final = 6


Range = tuple[int, int]
"""Numbers from one on to before another."""


class NotArchived(StartupError):
    """Something that stands in the way of archiving a month, of which nothing was taken away."""


class Outcome(NamedTuple):
    """The outcome for a month."""

    month: str
    partition: str
    entries: int
    organizations: int
    manifest_sha256: str
    dropped: bool
    """False: the partition was taken out of the trail, and is still there as a table."""


@dataclass(frozen=True, slots=True)
class Archiver:
    """Archives months of a database into a directory."""

    raw: Raw
    directory: Path
    open_file: OpenFile
    drop: bool
    """True drops what was taken out, also by an earlier run, if its archive is whole."""

    @property
    def _connection(self) -> Connection:
        return Connection(self.raw)

    async def archive(self, before: Month) -> AsyncIterator[Outcome]:
        """Archive the partitions that end before a month begins, and yield what became of each of their months.

        Raises:
            NotArchived: a month can't be archived as it is; the sentence says why, and what helps.
        """
        if not await audit_archives.owns_trail(self._connection):
            raise NotArchived("Only the owner of the tables takes months out of the trail: connect as flow_migrator.")
        if not await audit_archives.try_lock(self._connection):
            raise NotArchived(
                "Another `audit archive` of this database is under way: run this again once it has ended."
            )
        if before > (present := await audit_months.read_present(self._connection)):
            raise NotArchived(
                f"By the database's clock it is {present}, whose entries are not all there: archive months before"
                f" {present}, and set the clock of this machine or of that one."
            )
        for partition in await audit_months.list_partitions(self._connection):
            if partition.end is not None and partition.end <= before.begin:
                manifests = await self._write_partition(partition)
                if not manifests and partition.begin is None:
                    continue  # nothing is from before there were months
                await self._take_out(partition, sum(each.entries for each, _ in manifests))
                for each in self._outcomes(manifests):
                    yield each
        if self.drop:
            await self._drop_taken_out()

    def _outcomes(self, manifests: Iterable[tuple[Manifest, bytes]]) -> Iterator[Outcome]:
        for manifest, digest in manifests:
            yield Outcome(
                manifest.month, manifest.partition, manifest.entries, len(manifest.files), digest.hex(), self.drop
            )

    async def _write_partition(self, partition: Partition) -> list[tuple[Manifest, bytes]]:
        """Write what a partition has, month by month, and note each once it was read again."""
        if unsealed := await audit_archives.count_unsealed(self._connection, partition.name):
            raise NotArchived(
                f"{unsealed} entries of {partition.name} are in no seal. `serve` seals what is new every"
                " AUDIT_SEAL_INTERVAL: run this again after that; if they stay, `audit verify` tells why."
            )
        found = []
        parts = await audit_archives.list_parts(self._connection, partition.name)
        for month, of_month in groupby(parts, key=lambda part: part.month):
            ids = await audit_archives.read_ids(self._connection, partition.name, month)
            manifest, digest = await self._write_month(partition.name, month, [*of_month], ids)
            await self._prove(folder_of(self.directory, month), manifest, ids)
            archived = Archived(month, partition.name, tuple(ids), manifest.entries, digest)
            await audit_archives.note(self._connection, archived)
            found.append((manifest, digest))
        return found

    async def _write_month(
        self, partition: str, month: str, parts: list[Part], ids: Sequence[Range]
    ) -> tuple[Manifest, bytes]:
        """Write a month, its manifest last; or leave it, if an earlier run has come so far."""
        folder = folder_of(self.directory, month)
        entries = sum(part.entries for part in parts)
        if (folder / MANIFEST).exists():
            manifest, digest = _read(folder)
            if (manifest.partition, manifest.entries) != (partition, entries):
                raise NotArchived(f"{folder} has another archive of {month}: name another directory by --to.")
            return manifest, digest
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotArchived(f"{folder} can't be made: {error.strerror}.") from error
        files = tuple([await self._write_part(folder, partition, part) for part in parts])
        seals, elsewhere = await self._write_seals(folder, ids)
        text = Manifest(month, partition, entries, min(ids)[0], files, seals, elsewhere).dump()
        with self.open_file(str(folder / MANIFEST)) as output:
            output.write(text)
        return _read(folder)

    async def _write_part(self, folder: Path, partition: str, part: Part) -> FileOf:
        name = name_of(part.organization_id)
        with self.open_file(str(folder / name)) as output:
            counted = _Counted(output)
            with gzip.GzipFile("", "wb", _LEVEL, counted, mtime=0) as packed:

                async def take(data: bytes) -> None:
                    packed.write(data)

                await audit_archives.copy_entries(self.raw, partition, part, take)
        return FileOf(name, part.entries, counted.bytes, counted.hash.hexdigest(), str(part.organization_id))

    async def _write_seals(self, folder: Path, ids: Sequence[Range]) -> tuple[FileOf, tuple[Range, ...]]:
        """Write the seals of some entries; return also the numbers of the others that these have."""
        number = after = 0
        own = Numbers(ids)
        elsewhere = list[Range]()
        with self.open_file(str(folder / SEALS)) as output:
            counted = _Counted(output)
            with gzip.GzipFile("", "wb", _LEVEL, counted, mtime=0) as packed:
                while found := await audit_archives.page_of_seals(self._connection, ids, after):
                    for seal in found:
                        packed.write(dump_seal(seal))
                        elsewhere += [(each, each + 1) for each in seal.numbers if each not in own]
                    number, after = number + len(found), found[-1].number
        return FileOf(SEALS, number, counted.bytes, counted.hash.hexdigest()), merged(elsewhere)

    async def _prove(self, folder: Path, manifest: Manifest, ids: Sequence[Range]) -> None:
        """Read what was written, and compare each entry with its seal.

        Raises:
            NotArchived: it is not all there, or not what was sealed.
        """
        sealed, elsewhere = dict[int, bytes](), list[Range]()
        after, own, count = 0, Numbers(ids), 0
        try:
            written = read_seals(folder, manifest)
            while found := await audit_archives.page_of_seals(self._connection, ids, after):
                for seal in found:
                    if next(written, None) != seal:
                        raise BadArchive(f"{folder / SEALS} has another seal than seal {seal.number}.")
                    sealed |= {each: leaf for each, leaf in zip(seal.numbers, seal.hashes, strict=False) if each in own}
                    elsewhere += [(each, each + 1) for each in seal.numbers if each not in own]
                after = found[-1].number
            if (
                next(written, None) is not None
                or manifest.elsewhere != merged(elsewhere)
                or manifest.first != min(ids)[0]
            ):
                raise BadArchive(f"{folder / MANIFEST} says something else of the seals than is so.")
            for described in manifest.files:
                for entry in read_entries(folder, described):
                    if sealed.pop(entry.id, None) != entry.leaf:
                        raise NotArchived(
                            f"Entry {entry.id} is not what it was when it was sealed: nothing of {manifest.partition}"
                            " is taken out of the trail. `audit verify` tells what was altered."
                        )
                    count += 1
        except BadArchive as error:
            raise NotArchived(f"{error} Remove {folder}, and run this again: it is written anew.") from error
        if sealed or count != manifest.entries:
            raise NotArchived(f"{folder} has not all of {manifest.month}: remove it, and run this again.")

    async def _take_out(self, partition: Partition, entries: int) -> None:
        """Take a partition out of the trail, and drop it if that is wanted.

        Raises:
            NotArchived: something was written into it meanwhile, and it was put back.
        """
        await audit_archives.detach(self._connection, partition)
        if await audit_archives.count_entries(self._connection, partition.name) != entries:
            await audit_archives.attach(self._connection, partition)
            raise NotArchived(
                f"Something was written into {partition.name} meanwhile, which is back in the trail: remove the folders"
                " of its months, and run this again."
            )
        if self.drop:
            await audit_archives.drop(self._connection, partition.name)

    async def _drop_taken_out(self) -> None:
        """Drop what earlier runs have taken out, if the archives are the ones that were noted then."""
        there = await audit_archives.list_taken_out(self._connection)
        archived = await audit_archives.list_archived(self._connection)
        for name in sorted(there):
            months = [each for each in archived if each.partition == name]
            for each in months:
                self._require_whole(each)
            entries = await audit_archives.count_entries(self._connection, name)
            if months and entries == sum(each.entries for each in months):
                await audit_archives.drop(self._connection, name)

    def _require_whole(self, archived: Archived) -> None:
        """Require the archive that was noted, and all of its files, of what is to be dropped.

        Raises:
            NotArchived: it is another one, or a file is not there or not what it was.
        """
        folder = folder_of(self.directory, archived.month)
        manifest, digest = _read(folder)
        if digest != archived.manifest_sha256:
            raise NotArchived(f"{folder} is not the archive of {archived.month} that was noted: nothing is dropped.")
        try:
            for described in (*manifest.files, manifest.seals):
                for _ in read_lines(folder, described):
                    pass
        except BadArchive as error:
            raise NotArchived(
                f"{error} The table {archived.partition}, which has all of it, is not dropped."
            ) from error


class _Counted:
    """A file that is written to, whose bytes are counted and hashed."""

    def __init__(self, output: IO[bytes]) -> None:
        self._output = output
        self.hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        self.bytes += len(data)
        return self._output.write(data)

    def flush(self) -> None:
        self._output.flush()


class Numbers:
    """A set of numbers, by their ranges."""

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._ranges = sorted(ranges)
        self._firsts = [first for first, _ in self._ranges]

    def __contains__(self, number: int) -> bool:
        place = bisect_right(self._firsts, number)
        return place > 0 and number < self._ranges[place - 1][1]


def merged(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the same numbers in as few ranges as it takes."""
    found = list[Range]()
    for first, behind in sorted(ranges):
        if found and first <= found[-1][1]:
            found[-1] = found[-1][0], max(behind, found[-1][1])
        else:
            found.append((first, behind))
    return tuple(found)


def _read(folder: Path) -> tuple[Manifest, bytes]:
    try:
        return read_manifest(folder)
    except BadArchive as error:
        raise NotArchived(str(error)) from error
