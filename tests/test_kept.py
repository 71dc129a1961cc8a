from datetime import UTC, datetime, timedelta

from service.kept import OVERHEAD, AsOf, Kept

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def keep(kept: "Kept[str]", key: str, *revisions: int, until: datetime | None = None, size: int = 100) -> None:
    kept.keep(key, f"made at {revisions}", AsOf(revisions, until), size)


def test_is_given_again_at_the_same_revisions() -> None:
    kept = Kept[str](10_000)
    keep(kept, "a", 1, 5)

    assert kept.find("a", (1, 5), NOW) == "made at (1, 5)"
    assert kept.find("b", (1, 5), NOW) is None


def test_is_gone_at_any_other_revisions() -> None:
    for other in ((1, 6), (1,), (1, 5, 7), ()):
        kept = Kept[str](10_000)
        keep(kept, "a", 1, 5)

        assert kept.find("a", other, NOW) is None
        assert kept.find("a", (1, 5), NOW) is None, "it was dropped"


def test_is_gone_from_the_moment_a_grant_expires() -> None:
    kept = Kept[str](10_000)
    keep(kept, "a", 1, until=NOW)

    assert kept.find("a", (1,), NOW - timedelta(microseconds=1)) is not None
    assert kept.find("a", (1,), NOW) is None


def test_the_least_recently_used_goes_first() -> None:
    kept = Kept[str](3 * (100 + OVERHEAD))
    for key in "abc":
        keep(kept, key, 1)
    kept.find("a", (1,), NOW)
    keep(kept, "d", 1)

    assert [key for key in "abcd" if kept.find(key, (1,), NOW)] == ["a", "c", "d"]


def test_one_in_the_place_of_another_counts_once() -> None:
    kept = Kept[str](2 * (100 + OVERHEAD))
    keep(kept, "a", 1)
    for revision in range(10):
        keep(kept, "b", revision)

    assert kept.find("a", (1,), NOW) is not None


def test_one_larger_than_the_bound_is_not_kept() -> None:
    kept = Kept[str](1000)
    keep(kept, "a", 1, size=2000)
    keep(kept, "b", 1)

    assert kept.find("a", (1,), NOW) is None
    assert kept.find("b", (1,), NOW) is not None
