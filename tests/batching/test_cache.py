import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from service.batching.cache import OVERHEAD, Entry, RevisionCache
from service.identity import Caller
from service.permissions import Role
from service.repositories.revisions import ReadVersion

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORGANIZATION = uuid4()


USERS = {name: uuid4() for name in "abcd"}


def caller(name: str, revisions: tuple[int, ...], now: datetime = NOW, scopes: int | None = None) -> Caller:
    return Caller(Role.MEMBER, scopes, ORGANIZATION, USERS[name], name, uuid4(), b"", revisions, now)


def keep(
    kept: "RevisionCache[str]", name: str, *revisions: int, until: datetime | None = None, size: int = 100
) -> None:
    kept.put(caller(name, revisions), f"made at {revisions}", ReadVersion(revisions, until), size)


def find(kept: "RevisionCache[str]", name: str, revisions: tuple[int, ...], now: datetime) -> str | None:
    return kept.find(caller(name, revisions, now))


def test_revision_cache_find_hits_at_the_same_revisions() -> None:
    kept = RevisionCache[str]("test", 10_000)
    keep(kept, "a", 1, 5)

    assert find(kept, "a", (1, 5), NOW) == "made at (1, 5)"
    assert find(kept, "b", (1, 5), NOW) is None


def test_revision_cache_find_drops_a_value_of_other_revisions() -> None:
    for other in ((1, 6), (1,), (1, 5, 7), ()):
        kept = RevisionCache[str]("test", 10_000)
        keep(kept, "a", 1, 5)

        assert find(kept, "a", other, NOW) is None
        assert find(kept, "a", (1, 5), NOW) is None, "it was dropped"


def test_revision_cache_find_misses_once_a_grant_has_expired() -> None:
    kept = RevisionCache[str]("test", 10_000)
    keep(kept, "a", 1, until=NOW)

    assert find(kept, "a", (1,), NOW - timedelta(microseconds=1)) is not None
    assert find(kept, "a", (1,), NOW) is None


def test_revision_cache_evicts_the_least_recently_used() -> None:
    kept = RevisionCache[str]("test", 3 * (100 + OVERHEAD))
    for key in "abc":
        keep(kept, key, 1)
    find(kept, "a", (1,), NOW)
    keep(kept, "d", 1)

    assert [key for key in "abcd" if find(kept, key, (1,), NOW)] == ["a", "c", "d"]


def test_revision_cache_counts_the_revisions_of_a_caller_in_many_groups() -> None:
    kept = RevisionCache[str]("test", 2 * (100 + OVERHEAD))
    keep(kept, "a", 1)
    keep(kept, "b", *range(20))
    assert find(kept, "a", (1,), NOW) is None
    assert find(kept, "b", (*range(20),), NOW)
    keep(kept, "a", *range(2_000))
    assert kept.too_large == 1


def test_revision_cache_put_counts_a_replaced_value_once() -> None:
    kept = RevisionCache[str]("test", 2 * (100 + OVERHEAD))
    keep(kept, "a", 1)
    for revision in range(10):
        keep(kept, "b", revision)

    assert find(kept, "a", (1,), NOW) is not None


def test_revision_cache_put_ignores_a_value_larger_than_the_bound() -> None:
    kept = RevisionCache[str]("test", 1000)
    keep(kept, "a", 1, size=2000)
    keep(kept, "b", 1)

    assert find(kept, "a", (1,), NOW) is None
    assert find(kept, "b", (1,), NOW) is not None


def test_revision_cache_find_shares_a_value_among_tokens_with_equal_scopes() -> None:
    kept = RevisionCache[str]("test", 10_000)
    keep(kept, "a", 1)

    assert kept.find(caller("a", (1,))) is not None
    assert kept.find(caller("a", (1,), scopes=1)) is None


def test_revision_cache_put_ignores_a_value_of_other_revisions() -> None:
    kept = RevisionCache[str]("test", 10_000)
    kept.put(caller("a", (1,)), "newer", ReadVersion((2,), None), 100)

    assert kept.find(caller("a", (2,))) is None


def test_revision_cache_keeps_no_value_larger_than_itself_and_evicts_none_for_it() -> None:
    kept = RevisionCache[str]("test", 2 * (100 + OVERHEAD))
    keep(kept, "a", 1)
    keep(kept, "b", 1)
    kept.put(caller("b", (1,)), "b", ReadVersion((1,), None), 2 * (100 + OVERHEAD))

    assert [key for key in "ab" if find(kept, key, (1,), NOW)] == ["a"], "the former value of b is none any more"
    assert (kept.too_large, kept.evictions) == (1, 0)


class Making:
    """Values that are made when they may be, and counted."""

    def __init__(self) -> None:
        self.count = 0
        self.go_on = asyncio.Event()
        self.failing = False

    async def at(self, *revisions: int) -> Entry[str]:
        self.count += 1
        await self.go_on.wait()
        if self.failing:
            raise TimeoutError
        return Entry(f"made at {revisions}", ReadVersion(revisions, None), 100)


@pytest.mark.parametrize("max_bytes", [10_000, 0])
async def test_revision_cache_make_makes_a_value_once_for_all_that_come_meanwhile(max_bytes: int) -> None:
    kept, making = RevisionCache[str]("test", max_bytes), Making()

    asked = [asyncio.create_task(kept.make(caller("a", (1,)), lambda: making.at(1))) for _ in range(50)]
    await asyncio.sleep(0)
    making.go_on.set()

    assert {await each for each in asked} == {"made at (1,)"}
    assert making.count == 1
    assert (kept.find(caller("a", (1,))) is not None) == (max_bytes > 0)


async def test_revision_cache_make_shares_no_value_of_other_revisions_or_callers() -> None:
    kept, making = RevisionCache[str]("test", 10_000), Making()

    old = asyncio.create_task(kept.make(caller("a", (1,)), lambda: making.at(1)))
    await asyncio.sleep(0)
    new = asyncio.create_task(kept.make(caller("a", (2,)), lambda: making.at(2)))
    other = asyncio.create_task(kept.make(caller("b", (1,)), lambda: making.at(1)))
    await asyncio.sleep(0)
    assert making.count == 2, "another caller waits for none"
    making.go_on.set()

    assert [await old, await new, await other] == ["made at (1,)", "made at (2,)", "made at (1,)"]
    assert making.count == 3


async def test_revision_cache_make_goes_on_after_a_failure_or_a_caller_that_has_left() -> None:
    kept, making = RevisionCache[str]("test", 10_000), Making()
    making.failing = True
    failing = asyncio.create_task(kept.make(caller("a", (1,)), lambda: making.at(1)))
    await asyncio.sleep(0)
    waiting, leaving = [asyncio.create_task(kept.make(caller("a", (1,)), lambda: making.at(1))) for _ in range(2)]
    await asyncio.sleep(0)

    leaving.cancel()
    making.go_on.set()
    with pytest.raises(TimeoutError):
        await failing
    making.failing = False

    assert await waiting == "made at (1,)"
    assert await kept.make(caller("a", (1,)), lambda: making.at(1)) == "made at (1,)"
    assert not kept._making


async def test_revision_cache_make_keeps_no_value_without_a_version() -> None:
    kept = RevisionCache[str]("test", 10_000)

    async def make() -> Entry[str]:
        return Entry("for one", None, 100)

    assert await kept.make(caller("a", (1,)), make) == "for one"
    assert len(kept) == 0
