from datetime import UTC, datetime, timedelta

from service.kept import OVERHEAD, AsOf, KeptAnswer, KeptAnswers

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def answer(*revisions: int, until: datetime | None = None, size: int = 100) -> KeptAnswer:
    return KeptAnswer(b"x" * size, '"tag"', AsOf(revisions, until))


def test_is_given_again_at_the_same_revisions() -> None:
    kept, made = KeptAnswers(), answer(1, 5)
    kept.keep("a", made)

    assert kept.find("a", (1, 5), NOW) is made
    assert kept.find("b", (1, 5), NOW) is None


def test_is_gone_at_any_other_revisions() -> None:
    for other in ((1, 6), (1,), (1, 5, 7), ()):
        kept = KeptAnswers()
        kept.keep("a", answer(1, 5))

        assert kept.find("a", other, NOW) is None
        assert kept.find("a", (1, 5), NOW) is None, "it was dropped"


def test_is_gone_from_the_moment_a_grant_expires() -> None:
    kept = KeptAnswers()
    kept.keep("a", answer(1, until=NOW))

    assert kept.find("a", (1,), NOW - timedelta(microseconds=1)) is not None
    assert kept.find("a", (1,), NOW) is None


def test_the_least_recently_used_goes_first() -> None:
    kept = KeptAnswers(3 * (100 + OVERHEAD))
    for key in "abc":
        kept.keep(key, answer(1))
    kept.find("a", (1,), NOW)
    kept.keep("d", answer(1))

    assert [key for key in "abcd" if kept.find(key, (1,), NOW)] == ["a", "c", "d"]


def test_one_in_the_place_of_another_counts_once() -> None:
    kept = KeptAnswers(2 * (100 + OVERHEAD))
    kept.keep("a", answer(1))
    for revision in range(10):
        kept.keep("b", answer(revision))

    assert kept.find("a", (1,), NOW) is not None


def test_one_larger_than_the_bound_is_not_kept() -> None:
    kept = KeptAnswers(1000)
    kept.keep("a", answer(1, size=2000))
    kept.keep("b", answer(1))

    assert kept.find("a", (1,), NOW) is None
    assert kept.find("b", (1,), NOW) is not None
