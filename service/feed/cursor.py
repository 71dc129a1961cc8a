"""Places in the feed, as clients keep them: opaque texts that every replica can go on from.

A cursor gives no access to anything, as what a caller may see is decided when it is sent. It is checked all the same,
so that one that was cut or changed is told from one that is old.
"""

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple
from uuid import UUID

from service.repositories.audit_epochs import Epoch
from service.values import base64url

_CHECK: Final = 8
"""Bytes of the check."""
_VERSION: Final = 4
_VERSION_WITHIN: Final = 5
"""The version of places within an entry, which most are not."""
_BEYOND: Final = 2**63
_TRANSACTION: Final = 2**32 - 1
"""The bits of a transaction's number in its epoch, of which some are set."""


class Cursor(NamedTuple):
    """A place: all that the first snapshot sees was sent, and of what the second sees beyond it, ids up to one."""

    epoch: Epoch
    """The database and the point in its history at which the snapshots were taken."""
    seen: str
    """A snapshot in PostgreSQL's own form, xmin:xmax:transactions under way."""
    target: str | None = None
    """The snapshot up to which is being read; None: the next reading takes a new one."""
    after: int = 0
    """The id of the last entry between both that was sent, or was not the caller's to see."""
    known: int = 0
    """The id of an entry that was there: where all are younger, those between may be gone; 0: there was none."""

    part: int = 0
    """Of the entry of the next id, the number of the last thing that was sent; 0: nothing was."""

    def behind(self, entry_id: int) -> "Cursor":
        """Return the place behind an entry that was read at this one."""
        return self._replace(after=entry_id, known=max(self.known, entry_id), part=0)

    def within(self, entry_id: int, part: int) -> "Cursor":
        """Return the place behind one of the things of an entry that was read at this one."""
        return self._replace(after=entry_id - 1, known=max(self.known, entry_id), part=part)

    def is_behind(self, entry_id: int, part: int) -> bool:
        """Return whether one of the things of an entry behind this place was sent already."""
        return entry_id == self.after + 1 and part <= self.part

    def end(self, newest: int = 0) -> "Cursor":
        """Return the place behind all that the second snapshot sees, the last of which has that id, if any has."""
        return Cursor(self.epoch, self.target or self.seen, None, 0, max(self.known, newest))

    def write(self, organization_id: UUID) -> str:
        """Return the cursor as text, for one organization."""
        epoch = self.epoch._replace(reach=self.epoch.reach - self.epoch.position)
        part = [self.part] if self.part else []
        numbers = [*epoch, self.after, self.known, *part, *_differences(self.seen)]
        if self.target is not None:
            numbers += _differences(self.target)
        payload = bytes([_VERSION_WITHIN if part else _VERSION]) + b"".join(map(_varint, numbers))
        return base64url.encode(payload + _check(payload, organization_id))

    @classmethod
    def read(cls, text: str, organization_id: UUID) -> "Cursor":
        """Return the cursor that a text stands for.

        Raises:
            ValueError: it is none of that organization.
        """
        raw = base64url.decode(text)
        payload, check = raw[:-_CHECK], raw[-_CHECK:]
        version = payload[0] if payload else None
        if version not in (_VERSION, _VERSION_WITHIN) or check != _check(payload, organization_id):
            raise ValueError("It was changed, or is of another organization.")
        numbers = _numbers(payload[1:])
        epoch = _epoch(numbers)
        after, known = _taken(numbers), _taken(numbers)
        part = _taken(numbers) if version == _VERSION_WITHIN else 0
        seen = _snapshot(numbers)
        rest = [*numbers]
        return cls(epoch, seen, _snapshot(iter(rest)) if rest else None, after, known, part)


def _check(payload: bytes, organization_id: UUID) -> bytes:
    return hashlib.sha256(organization_id.bytes + payload).digest()[:_CHECK]


def _differences(snapshot: str) -> list[int]:
    """Return the numbers of a snapshot, each as the difference to the one before: mostly small."""
    lowest, beyond, under_way = snapshot.split(":")
    running = [int(each) for each in under_way.split(",") if each]
    numbers = [int(lowest), int(beyond) - int(lowest), len(running)]
    last = int(lowest)
    for each in running:
        numbers.append(each - last)
        last = each
    return numbers


def _taken(numbers: Iterator[int]) -> int:
    """Return the next number, which is one that PostgreSQL takes, whoever has made the cursor.

    Raises:
        ValueError: there is none, or it is too large.
    """
    found = next(numbers, _BEYOND)
    if found >= _BEYOND:
        raise ValueError("A number is missing or too large.")
    return found


def _epoch(numbers: Iterator[int]) -> Epoch:
    """Return an epoch, of which only the last two numbers are asked of the database: others may be of any size."""
    compared = [*islice(numbers, 6)]
    if len(compared) < 6:
        raise ValueError("A number is missing.")
    system, database, table, timeline, position, ahead = compared
    return Epoch(system, database, table, timeline, position, position + ahead, _taken(numbers), _taken(numbers))


def _snapshot(numbers: Iterator[int]) -> str:
    lowest = _taken(numbers)
    beyond, count = lowest + _taken(numbers), _taken(numbers)
    running, last = [], lowest - 1
    for place in range(count):
        step = _taken(numbers)
        last = lowest + step if place == 0 else last + step
        if step == 0 and place:
            raise ValueError("A transaction is named twice.")
        running.append(str(last))
    if not 0 < lowest <= beyond < _BEYOND or last >= beyond:
        raise ValueError("It is no snapshot.")
    if not all(each & _TRANSACTION for each in (lowest, beyond, *map(int, running))):
        raise ValueError("A number is of no transaction.")
    return f"{lowest}:{beyond}:{','.join(running)}"


def _varint(number: int) -> bytes:
    """Return a number in as many bytes as it takes, seven bits in each."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    return bytes([*parts, number])


def _numbers(raw: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in raw:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield number
            number = shift = 0
