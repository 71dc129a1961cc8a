"""Whether two things that were measured in pairs differ, by Wilcoxon's signed ranks: robust against outliers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, median
from typing import Final

POWER: Final = 0.9
"""The chance to tell a difference as large as `Comparison.smallest`."""


@dataclass(frozen=True)
class Comparison:
    """What came of comparing."""

    difference: float
    """The median of the differences."""
    p: float
    """How likely so large a sum of ranks is, by chance alone; two-sided."""
    smallest: float
    """The smallest shift that would have been told."""


def compare(differences: Sequence[float], significance: float) -> Comparison:
    """Compare by what the one took longer than the other, pair by pair; for a hundred pairs and more.

    Source: F. Wilcoxon, Individual comparisons by ranking methods, 1945; its normal approximation, with ties at their
    mean rank. What it can tell is reckoned from the spread that was there, its relative efficiency being 3/pi at least
    for what is about normal.
    """
    there = sorted((difference for difference in differences if difference), key=abs)
    count = len(there)
    positive = 0.0
    ties = 0
    start = 0
    while start < count:
        end = start
        while end < count and abs(there[end]) == abs(there[start]):
            end += 1
        positive += (start + 1 + end) / 2 * sum(difference > 0 for difference in there[start:end])
        ties += (end - start) ** 3 - (end - start)
        start = end
    expected = count * (count + 1) / 4
    deviation = sqrt(count * (count + 1) * (2 * count + 1) / 24 - ties / 48)
    normal = NormalDist()
    p = 2 * (1 - normal.cdf(abs(positive - expected) / deviation))
    middle = median(differences)
    spread = 1.4826 * median(abs(difference - middle) for difference in differences)
    quantiles = normal.inv_cdf(1 - significance / 2) + normal.inv_cdf(POWER)
    return Comparison(middle, p, quantiles * spread / sqrt(len(differences) * 3 / 3.14159))
