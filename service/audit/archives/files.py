"""The files of an archive: a folder for each month, with the entries of each organization, the seals, and a manifest.

    2026-03/manifest.json
    2026-03/8c400d55-15d4-41f9-b306-ec2836898d83.ndjson.gz
    2026-03/seals.ndjson.gz

A line of entries is a JSON object with the fields that are sealed, in their order, each value written as in the sealed
text: so that text, and its hash, are made of the line without the database.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from service.repositories.audit_archives import FIELDS
from service.repositories.audit_seals import Present, Seal
from service.values.merkle import leaf_hash
from service.values.months import Month, parse_month
from service.values.regular_files import open_regular

MANIFEST: Final = "manifest.json"
SEALS: Final = "seals.ndjson.gz"
FORMAT: Final = 1
"""The form of the files, which the manifest names: others are read as they are."""
MAX_LINE_BYTES: Final = 2**22
"""Bytes of a line, of which an entry has at most 330,000 and a seal a million, both with all escaped."""
MAX_MANIFEST_BYTES: Final = 2**28
_FIRST: Final = "1970-01"
_WRITTEN: Final = (*FIELDS, "written_by")
"""The fields of a line; what else there was, no seal would prove."""
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
"""Of values whose text is wanted, not what they are: a number may be one that Python can't hold."""


class BadArchive(Exception):
    """An archive that can't be read, or is not what its manifest says; the text says why."""


class FileOf(NamedTuple):
    """A file of a month, as the manifest has it."""

    file: str
    entries: int
    bytes: int
    sha256: str
    organization_id: str | None = None
    """None: it has the seals."""


class Manifest(NamedTuple):
    """The manifest of a month."""

    month: str
    partition: str
    entries: int
    first: int
    """The least number of an entry."""
    files: tuple[FileOf, ...]
    seals: FileOf
    elsewhere: tuple[tuple[int, int], ...]
    """The numbers of the entries, in ranges, that these seals have and this month has not."""

    def dump(self) -> bytes:
        """Return the text of the file."""
        said = {
            "format": FORMAT,
            "month": self.month,
            "partition": self.partition,
            "entries": self.entries,
            "first": self.first,
            "files": [each._asdict() for each in self.files],
            "seals": self.seals._asdict(),
            "elsewhere": self.elsewhere,
        }
        return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_manifest(folder: Path) -> tuple[Manifest, bytes]:
    """Return the manifest of a month's folder, and its SHA-256.

    Raises:
        BadArchive: it is not there, or is none.
    """
    path = folder / MANIFEST
    try:
        with open_regular(path) as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
        if len(text) > MAX_MANIFEST_BYTES:
            raise BadArchive(f"{path} is larger than a manifest is.")
        said = orjson.loads(text)
        if said["format"] != FORMAT or parse_month(said["month"]) is None:
            raise BadArchive(f"{path} is of another form than {FORMAT}.")
        files = tuple(_file_of(each) for each in said["files"])
        elsewhere = tuple((int(first), int(behind)) for first, behind in said["elsewhere"])
        seals = _file_of(said["seals"])
        numbers = int(said["entries"]), int(said["first"])
        found = Manifest(said["month"], said["partition"], *numbers, files, seals, elsewhere)
        names = {each.organization_id: each.file for each in files}
        if (
            found.month != folder.name
            or len(names) < len(files)
            or any(file != f"{organization_id}.ndjson.gz" for organization_id, file in names.items())
        ):
            raise BadArchive(f"{path} is of another month, or names other files than an archive has.")
    except OSError as error:
        raise BadArchive(f"{path} can't be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BadArchive(f"{path} is no manifest of an archive.") from error
    return found, hashlib.sha256(text).digest()


def _file_of(said: dict[str, Any]) -> FileOf:
    """Return a file as a manifest has it.

    Raises:
        ValueError: it is described in another way.
        TypeError: likewise.
    """
    found = FileOf(**said)
    texts, numbers = (found.file, found.sha256, found.organization_id or ""), (found.entries, found.bytes)
    if not all(isinstance(each, str) for each in texts) or not all(type(each) is int for each in numbers):
        raise ValueError("It is no file of an archive.")
    return found


def read_lines(folder: Path, described: FileOf) -> Iterator[bytes]:
    """Yield the lines of a file of the archive, once it was found to be the one that the manifest describes.

    Raises:
        BadArchive: it is not there, is another one, has more or fewer lines, or can't be unpacked.
    """
    path = folder / described.file
    if Path(described.file).name != described.file or "\0" in described.file:
        raise BadArchive(f"{folder / MANIFEST} names a file of another folder: {described.file}.")
    number = 0
    try:
        with open_regular(path) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != described.sha256:
                raise BadArchive(f"{path} is not what it was: its SHA-256 is {found}, not {described.sha256}.")
            file.seek(0)
            with gzip.open(file) as lines:
                while line := lines.readline(MAX_LINE_BYTES):
                    number += 1
                    if number > described.entries or len(line) == MAX_LINE_BYTES:
                        raise BadArchive(f"{path} has more than its {described.entries} lines, or a longer one.")
                    yield line
    except (OSError, EOFError, zlib.error) as error:
        raise BadArchive(f"{path} can't be read: {getattr(error, 'strerror', None) or error}.") from error
    if number != described.entries:
        raise BadArchive(f"{path} has {number} of its {described.entries} lines.")


def read_entries(folder: Path, described: FileOf) -> Iterator[Present]:
    """Yield the entries of a file of the archive, all of one month and organization, each of another number.

    Raises:
        BadArchive: the file can't be read, or a line is no entry, or one of another file.
    """
    last = ""
    for number, line in enumerate(read_lines(folder, described), 1):
        try:
            texts = _texts(line.decode())
            found, at = parse_entry(texts), json.loads(texts["at"])
            place = f"{at}/{found.id:020}"
            is_here = at.startswith(folder.name) or folder.name == _FIRST  # which has all that is earlier, too
            if not is_here or place <= last or json.loads(texts["organization_id"]) != described.organization_id:
                raise BadArchive(f"{folder / described.file} has an entry of another file, or place, in line {number}.")
            last = place
            yield found
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise BadArchive(f"{folder / described.file} has no entry in line {number}.") from error


def parse_entry(texts: Mapping[str, str]) -> Present:
    """Return what is verified of an entry by its values as they are written: these say all of it.

    Raises:
        ValueError: it is none.
        TypeError: likewise.
        OverflowError: its time is beyond what can be said.
    """
    leaf = leaf_hash(f"[{', '.join(texts[name] for name in FIELDS)}]")
    at = datetime.fromisoformat(json.loads(texts["at"])).astimezone(UTC)
    written_by = json.loads(texts["written_by"])
    return Present(
        int(texts["id"]), leaf, at, None if written_by is None else int(written_by), texts["actor_id"] != "null"
    )


def _texts(line: str) -> dict[str, str]:
    """Return the values of a JSON object as they are written, by name.

    Raises:
        ValueError: it is none, or has anything else than the fields of an entry, in their order.
    """
    found: dict[str, str] = {}
    place = _behind(line, 0, "{")
    for expected in _WRITTEN:
        name, place = _DECODER.raw_decode(line, place)
        if name != expected:
            raise JSONDecodeError("There is another field.", line, place)
        begin = _behind(line, place, ":")
        _, place = _DECODER.raw_decode(line, begin)
        found[name] = line[begin:place]
        place = _behind(line, place, "}" if name == _WRITTEN[-1] else ",")
    if line[place:] not in {"", "\n"}:
        raise JSONDecodeError("There is more than an object.", line, place)
    return found


def _behind(line: str, place: int, mark: str) -> int:
    if line[place : place + 1] != mark:
        raise JSONDecodeError("There is no object.", line, place)
    return place + 1


def dump_seal(seal: Seal) -> bytes:
    """Return the line of a seal."""
    said = {
        "number": seal.number,
        "sealed_at": seal.sealed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "epoch": seal.epoch,
        "snapshot": seal.snapshot,
        "ids": seal.ids,
        "leaves": seal.leaves.hex(),
        "root": seal.root.hex(),
        "previous": seal.previous.hex(),
        "chain": seal.chain.hex(),
    }
    return orjson.dumps(said) + b"\n"


def read_seals(folder: Path, manifest: Manifest) -> Iterator[Seal]:
    """Yield the seals of a month, in their order.

    Raises:
        BadArchive: the file can't be read, or a line is no seal.
    """
    for number, line in enumerate(read_lines(folder, manifest.seals), 1):
        try:
            yield _parse_seal(orjson.loads(line))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise BadArchive(f"{folder / manifest.seals.file} has no seal in line {number}.") from error


def _parse_seal(said: dict[str, Any]) -> Seal:
    hashes = (bytes.fromhex(said[name]) for name in ("leaves", "root", "previous", "chain"))
    ids = tuple((int(first), int(behind)) for first, behind in said["ids"])
    at = datetime.fromisoformat(said["sealed_at"])
    if at.tzinfo is None:
        raise ValueError("Its time is of no zone.")
    return Seal(int(said["number"]), at, str(said["epoch"]), str(said["snapshot"]), ids, *hashes)


def month_folders(directory: Path) -> list[Path]:
    """Return the folders of months, in the order of time, also those that have no manifest.

    Raises:
        BadArchive: the directory can't be read.
    """
    try:
        found = [each for each in directory.iterdir() if parse_month(each.name) and each.is_dir()]
    except OSError as error:
        raise BadArchive(f"{directory} can't be read: {error.strerror}.") from error
    return sorted(found)


def folder_of(directory: Path, month: Month | str) -> Path:
    """Return the folder of a month."""
    return directory / str(month)


def name_of(organization_id: UUID) -> str:
    """Return the name of the file with an organization's entries."""
    return f"{organization_id}.ndjson.gz"
