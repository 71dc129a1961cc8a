from datetime import UTC, datetime, timedelta
from uuid import uuid4

from service.batching.cache import OVERHEAD, RevisionCache
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
