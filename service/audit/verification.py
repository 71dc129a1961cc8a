"""The verification of the audit trail by its seals: what was changed, taken away, put in or dated back since.

It needs the seals in their order and the entries as they are now, wherever these are kept: in the database or in files.
A superuser can seal anew whatever they like; that shows by copies of the chain which they don't have, as in the log.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from service.repositories.audit_seals import NOTHING, Present, Seal
from service.values.merkle import HASH_BYTES, tree_root

SERVED_LAG: Final = timedelta(minutes=1)
"""The time that passes at most between an entry of a request and the end of its transaction."""
OPERATED_LAG: Final = timedelta(hours=1)
"""The same for commands, whose entries have the time at which their transaction began."""
CHANGED: Final = "changed"
MISSING: Final = "missing"
INSERTED: Final = "inserted"
DATED: Final = "dated"
SEAL: Final = "seal"


class Alteration(NamedTuple):
    """Something that is not as it was sealed."""

    kind: str
    """One of the words above."""
    seal: int
    """The number of the seal by which it shows."""
    entry: int | None
    sentence: str


class _Mark(NamedTuple):
    """A seal that left nothing out: what its snapshot sees was sealed by then."""

    seal: int
    epoch: str
    snapshot: str
    at: datetime


class Published(dict[int, str]):
    """Chains in hex by the numbers of their seals, as they were published outside of the database: the first of each.

    What is sealed anew is published, too, by a service that knows no better.
    """

    def __init__(self, chains: Mapping[int, str] | None = None) -> None:
        super().__init__(chains or {})
        self.twice = set[int]()
        """Seals that were published as others later."""

    def add(self, number: int, chain: str) -> None:
        """Add what was published next."""
        if self.setdefault(number, chain) != chain:
            self.twice.add(number)

    def add_all(self, later: "Published") -> None:
        """Add what was published later."""
        for number, chain in later.items():
            self.add(number, chain)
        self.twice |= later.twice


class Verification:
    """Verifies seals one after the other, and then what is in none."""

    def __init__(self, copies: Published | None = None) -> None:
        """Begin with the first seal.

        Args:
            copies: chains as they were published outside of the database.
        """
        self._copies = copies or Published()
        self._mark: _Mark | None = None
        self._last: Seal | None = None
        self.sealed = 0
        """Entries in the seals so far."""
        self.unsealed = 0
        """Entries of the tail: written since the last seal, so that nothing shows what is done to them."""

    def begin_behind(self, first: Seal) -> None:
        """Begin with a seal that is not the first one; those before it are not at hand, and are believed."""
        self._last = first._replace(number=first.number - 1, chain=first.previous)

    @property
    def seals(self) -> int:
        """The number of the last seal; 0 before there is one."""
        return self._last.number if self._last else 0

    def check_seal(self, seal: Seal, present: Iterable[Present]) -> Iterator[Alteration]:
        """Compare the next seal with the entries that it has, among others or not; and itself with the one before."""
        yield from self._check_chain(seal)
        found = defaultdict[int, list[Present]](list)
        for each in present:
            found[each.id].append(each)
        for number, leaf in zip(seal.numbers, seal.hashes, strict=False):
            unaltered = [each for each in found[number] if each.leaf == leaf]
            if not found[number]:
                yield Alteration(MISSING, seal.number, number, f"Entry {number} is no longer there.")
            elif not unaltered:
                yield Alteration(CHANGED, seal.number, number, f"Entry {number} is not what it was.")
            elif len(unaltered) < len(found[number]):
                sentence = f"Entry {number} is there as another one, too: that was changed, or put in later."
                yield Alteration(CHANGED, seal.number, number, sentence)
            else:
                yield from self._check_time(unaltered[0], seal.number, seal.epoch, seal.sealed_at)
        self.sealed += len(seal.numbers)
        self._go_on(seal)

    def check_unsealed(self, present: Iterable[Present], epoch: str) -> Iterator[Alteration]:
        """Tell the tail from entries that would have been sealed had they been there, once all seals were verified.

        Args:
            present: entries that are in no seal.
            epoch: of the database that they are in, by `epoch_name`.
        """
        mark = self._mark_of(epoch)
        for entry in present:
            if mark is not None and _sees(mark.snapshot, entry.transaction):
                sentence = f"Entry {entry.id} was put in later: it was not there when seal {mark.seal} was made."
                yield Alteration(INSERTED, mark.seal, entry.id, sentence)
                continue
            self.unsealed += 1
            yield from self._check_time(entry, self.seals, epoch, None)

    def check_copies(self) -> Iterator[Alteration]:
        """Tell what copies have beyond the last seal, once all seals were verified."""
        for number in sorted(each for each in self._copies if each > self.seals):
            sentence = f"Seal {number} was published, and is not there: seals were taken away from the end."
            yield Alteration(SEAL, number, None, sentence)
        for number in sorted(self._copies.twice):
            sentence = f"Seal {number} was published as two: it was made anew, as after a restore, which is then noted."
            yield Alteration(SEAL, number, None, sentence)

    def _check_chain(self, seal: Seal) -> Iterator[Alteration]:
        expected = self.seals + 1
        previous = self._last.chain if self._last else NOTHING
        wrong = []
        if seal.number != expected or seal.previous != previous:
            between = "those between are not there" if seal.number > expected else "one was taken away"
            wrong.append(f"Seal {seal.number} does not follow seal {expected - 1}: {between}, or it was made anew.")
        if len(seal.leaves) != HASH_BYTES * len(seal.numbers) or tree_root(seal.hashes) != seal.root:
            wrong.append(f"The root of seal {seal.number} is not that of its entries' hashes.")
        if seal.right_chain() != seal.chain:
            wrong.append(f"Seal {seal.number} was changed: its chain is another one.")
        if self._copies.get(seal.number, seal.chain.hex()) != seal.chain.hex():
            wrong.append(f"Seal {seal.number} is not the one that was published: it was made anew.")
        yield from (Alteration(SEAL, seal.number, None, sentence) for sentence in wrong)

    def _check_time(self, entry: Present, seal: int, epoch: str, sealed_at: datetime | None) -> Iterator[Alteration]:
        """Compare an entry's time with those of its seal and of the one before, by which it was not written."""
        lag, mark = SERVED_LAG if entry.served else OPERATED_LAG, self._mark_of(epoch)
        if sealed_at is not None and entry.at > sealed_at + SERVED_LAG:
            yield Alteration(DATED, seal, entry.id, f"Entry {entry.id} has a time after that of its seal.")
        if mark is not None and not _sees(mark.snapshot, entry.transaction) and entry.at < mark.at - lag:
            sentence = f"Entry {entry.id} was dated back: it was written after seal {mark.seal}, its time is before."
            yield Alteration(DATED, seal, entry.id, sentence)

    def _mark_of(self, epoch: str) -> _Mark | None:
        """Return the mark, if it is of the same database: only there its snapshot tells of transactions."""
        return self._mark if self._mark is not None and self._mark.epoch == epoch else None

    def _go_on(self, seal: Seal) -> None:
        self._last = seal
        mark = self._mark
        if not seal.epoch:  # one of several that had no room for all; the last of them leaves nothing out
            return
        if mark is None or (mark.epoch, mark.snapshot) != (seal.epoch, seal.snapshot):
            self._mark = _Mark(seal.number, seal.epoch, seal.snapshot, seal.sealed_at)


def _sees(snapshot: str, transaction: int | None) -> bool:
    """Return whether a transaction had ended by a snapshot; those that are not known had."""
    if transaction is None:
        return True
    lowest, beyond, under_way = snapshot.split(":")
    if transaction < int(lowest):
        return True
    return transaction < int(beyond) and str(transaction) not in under_way.split(",")
