import random

from tests.faults.harness.wilcoxon import compare


def test_comparison_detects_a_difference_beyond_what_is_tolerated() -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    noise = [chance.gauss(0, 1) + (50 if chance.random() < 0.1 else 0) * chance.choice((1, -1)) for _ in range(300)]

    tolerated, more, less = (compare([each + shift for each in noise], 1, 0.001) for shift in (0.8, 1.5, -1.5))

    assert tolerated.p > 0.5
    assert max(more.p, less.p) < 0.001
    assert 1.2 < more.smallest_detectable < 1.5
