"""The verification of archives by their seals, alone or together with the database that they are of.

Seals are taken in their order, and with each the entries that it has, wherever these are. Entries that are neither in
the database nor in the archives that were given are no alteration where the database has noted that they were archived,
or a manifest says that a seal has entries of other months: they are counted, and not verified.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from pathlib import Path
from typing import Final

import orjson

from service.audit.archives.files import (
    MANIFEST,
    BadArchive,
    Manifest,
    month_folders,
    read_entries,
    read_manifest,
    read_seals,
)
from service.audit.archives.writing import Numbers
from service.audit.sealing import epoch_name
from service.audit.verification import MISSING, Alteration, Published, Verification
from service.database.pool import Connection
from service.repositories import audit_archives, audit_feed, audit_seals
from service.repositories.audit_seals import Present, Seal
from service.values.ids import NO_ID

ARCHIVE: Final = "archive"
"""The kind of an alteration of an archive's own files."""
PAGE_SIZE: Final = 1_000
"""Entries read at once that are in no seal."""


@dataclass(slots=True)
class Archives:
    """Archives that were given: manifests by folder, and entries of the months that are looked at now."""

    folders: dict[Path, tuple[Manifest, bytes]] = field(default_factory=dict)
    wrong: list[Alteration] = field(default_factory=list)
    """Alterations of the files themselves: those that could not be read."""
    unfinished: list[Path] = field(default_factory=list)
    """Folders of months that have no manifest, so that nothing in them is looked at."""
    _entries: dict[Path, dict[int, Present]] = field(default_factory=dict)
    """The entries that are in no seal so far, of months that were read, by folder and number."""

    @classmethod
    def open(cls, directories: Sequence[Path]) -> "Archives":
        """Read the manifests of directories that `audit archive` has written to.

        Raises:
            BadArchive: one can't be read, or has no archive.
        """
        found = cls()
        for directory in directories:
            folders = month_folders(directory)
            whole = [each for each in folders if (each / MANIFEST).is_file()]
            found.unfinished += [each for each in folders if each not in whole]
            if not whole:
                raise BadArchive(
                    f"{directory} has no month of an archive: give the directory that `audit archive --to` has written"
                    " to, and none before it has."
                )
            for folder in whole:
                try:
                    found.folders[folder] = read_manifest(folder)
                except BadArchive as error:
                    found.wrong.append(Alteration(ARCHIVE, 0, None, str(error)))
        found._compare()
        return found

    def _compare(self) -> None:
        """Find archives of one month that are not the same: of these, each has what others may have lost."""
        first = dict[str, tuple[Path, bytes]]()
        for folder, (manifest, digest) in self.folders.items():
            other, expected = first.setdefault(manifest.month, (folder, digest))
            if digest != expected:
                sentence = f"{other} and {folder} are archives of the same month, and not the same."
                self.wrong.append(Alteration(ARCHIVE, 0, None, sentence))

    @property
    def months(self) -> set[str]:
        """The months that are there."""
        return {manifest.month for manifest, _ in self.folders.values()}

    def elsewhere(self) -> Numbers:
        """Return the numbers that the archives' seals have, and their months have not."""
        return Numbers(each for manifest, _ in self.folders.values() for each in manifest.elsewhere)

    def seals(self) -> Iterator[Seal]:
        """Yield the seals of all months, each once and in their order."""
        last: Seal | None = None
        of_months = [self._read_seals(folder, manifest) for folder, (manifest, _) in self.folders.items()]
        for seal in merge(*of_months, key=lambda seal: seal.number):
            if seal != last:
                yield seal
            last = seal

    def take_entries_of(self, seal: Seal) -> list[Present]:
        """Take the entries of a seal out of the archives: months are read when the seals come to them."""
        numbers = seal.numbers
        found = []
        for folder, (manifest, _) in self.folders.items():
            if numbers and manifest.first <= numbers[-1]:
                if folder not in self._entries:
                    self._entries[folder] = self._read_entries(folder, manifest)
                of_month = self._entries[folder]
                found += [of_month.pop(number) for number in numbers if number in of_month]
        return found

    def left_over(self) -> list[Present]:
        """Return the entries that were in no seal."""
        for folder, (manifest, _) in self.folders.items():
            if folder not in self._entries:
                self._entries[folder] = self._read_entries(folder, manifest)
        return [each for of_month in self._entries.values() for each in of_month.values()]

    def _read_seals(self, folder: Path, manifest: Manifest) -> Iterator[Seal]:
        try:
            yield from read_seals(folder, manifest)
        except BadArchive as error:
            self.wrong.append(Alteration(ARCHIVE, 0, None, str(error)))

    def _read_entries(self, folder: Path, manifest: Manifest) -> dict[int, Present]:
        found = dict[int, Present]()
        for described in manifest.files:
            try:
                found |= {each.id: each for each in read_entries(folder, described)}
            except BadArchive as error:
                self.wrong.append(Alteration(ARCHIVE, 0, None, str(error)))
        return found


class TrailVerification:
    """The verification of a trail, of which a part may be archived."""

    def __init__(self, archives: Archives, copies: Published | None = None) -> None:
        self.archives: Final = archives
        # The archives' seals are copies, too: made anew in the database, they would be others.
        published = Published()
        for seal in archives.seals():
            published.add(seal.number, seal.chain.hex())
        if copies is not None:
            published.add_all(copies)
        self.verification = Verification(published)
        self.not_looked_at = 0
        """Entries that were sealed, and are in an archive that was not given."""
        self.alone = False
        """True if there was no database, so that nothing but manifests says of them that they are elsewhere."""

    async def verify(self, connection: Connection | None) -> AsyncIterator[Alteration]:
        """Yield what was altered.

        Args:
            connection: in a transaction that sees one state throughout, by a role that may read the trail of everybody;
                None: only the archives are verified.
        """
        self.alone = connection is None
        excused = await self._excused(connection)
        async for seal in self._seals(connection):
            archived, present = self.archives.take_entries_of(seal), list[Present]()
            if connection is not None and (numbers := seal.numbers):
                present = await audit_seals.list_present(connection, numbers[0], numbers[-1] + 1)
            for alteration in _that_differ(archived, present):
                yield alteration
            present += archived
            for alteration in self.verification.check_seal(seal, present):
                if alteration.kind == MISSING and alteration.entry is not None and alteration.entry in excused:
                    self.not_looked_at += 1
                else:
                    yield alteration
        async for alteration in self._check_unsealed(connection):
            yield alteration
        for alteration in (*self.verification.check_copies(), *self.archives.wrong):
            yield alteration

    async def _seals(self, connection: Connection | None) -> AsyncIterator[Seal]:
        """Yield the seals: those of the database, as it keeps all; else those of the archives, from the first on."""
        if connection is None:
            for place, seal in enumerate(self.archives.seals()):
                if place == 0 and seal.number > 1:
                    self.verification.begin_behind(seal)
                yield seal
            return
        while found := await audit_seals.page(connection, self.verification.seals, 1):
            yield found[0]

    async def _excused(self, connection: Connection | None) -> Numbers:
        """Return the numbers of entries that may not be there."""
        if connection is None:
            return self.archives.elsewhere()
        archived = await audit_archives.list_archived(connection)
        return Numbers(ids for each in archived if each.month not in self.archives.months for ids in each.ids)

    async def _check_unsealed(self, connection: Connection | None) -> AsyncIterator[Alteration]:
        """Yield what is in no seal, and would be: in archives, which have nothing of that kind, whatever there is."""
        for each in self.archives.left_over():
            yield Alteration(ARCHIVE, 0, each.id, f"Entry {each.id} of an archive is in no seal: it was put in later.")
        if connection is None:
            return
        for alteration in await self._check_manifests(connection):
            yield alteration
        epoch, after = epoch_name((await audit_feed.read_state(connection, NO_ID)).epoch), 0
        while found := await audit_seals.list_unsealed(connection, after, PAGE_SIZE):
            after = found[-1].id
            for alteration in self.verification.check_unsealed(found, epoch):
                yield alteration

    async def _check_manifests(self, connection: Connection) -> list[Alteration]:
        """Compare the manifests with what the database has noted of them."""
        noted = {each.month: each.manifest_sha256 for each in await audit_archives.list_archived(connection)}
        return [
            Alteration(ARCHIVE, 0, None, f"{folder} is not the archive of that month that was noted when it was made.")
            for folder, (manifest, digest) in self.archives.folders.items()
            if noted.get(manifest.month, digest) != digest
        ]


def _that_differ(archived: Sequence[Present], present: Sequence[Present]) -> Iterator[Alteration]:
    """Yield what is in an archive and in the database, and not the same: of these, the seal is compared with one."""
    leaves = {each.id: each.leaf for each in present}
    for each in archived:
        if leaves.get(each.id, each.leaf) != each.leaf:
            yield Alteration(ARCHIVE, 0, each.id, f"Entry {each.id} is another one in an archive than in the database.")


def read_copies(lines: Iterable[str]) -> Published:
    """Return the chains that log lines have published, by the numbers of their seals; other lines are left out.

    What collects logs may have put something before a line.
    """
    found = Published()
    for line in lines:
        try:
            said = orjson.loads(line[max(line.find("{"), 0) :])
        except orjson.JSONDecodeError:
            continue
        if isinstance(said, dict) and said.get("event") == "audit_sealed":
            number, chain = said.get("seal"), said.get("chain")
            if isinstance(number, int) and isinstance(chain, str):
                found.add(number, chain)
    return found
