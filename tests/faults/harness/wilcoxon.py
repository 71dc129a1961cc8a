"""Whether two things that were measured in pairs differ by more than is tolerated; outliers don't count."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sqrt
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
    """How likely that is, at the most, where the true difference is no more than tolerated; two-sided."""
    smallest: float
    """The smallest difference that would have been told."""


def compare(differences: Sequence[float], tolerated: float, significance: float) -> Comparison:
    """Whether one takes longer than the other by more than is tolerated, given the differences of fifty pairs or more.

    Source: F. Wilcoxon, Individual comparisons by ranking methods, 1945, by its normal approximation. What it can tell
    is reckoned from the spread that was there, by its relative efficiency of 3/pi for what is about normal.
    """
    normal = NormalDist()
    larger = _deviations([difference - tolerated for difference in differences])
    smaller = _deviations([-difference - tolerated for difference in differences])
    p = min(1.0, 2 * (1 - normal.cdf(max(larger, smaller))))
    middle = median(differences)
    spread = 1.4826 * median(abs(difference - middle) for difference in differences)
    quantiles = normal.inv_cdf(1 - significance / 2) + normal.inv_cdf(POWER)
    return Comparison(middle, p, tolerated + quantiles * spread / sqrt(len(differences) * 3 / pi))


def _deviations(values: Sequence[float]) -> float:
    """By how many standard deviations the sum of the ranks of positive values exceeds what chance gives."""
    ranked = sorted((value for value in values if value), key=abs)
    count = len(ranked)
    positive = sum(rank for rank, value in enumerate(ranked, 1) if value > 0)
    return (positive - count * (count + 1) / 4) / sqrt(count * (count + 1) * (2 * count + 1) / 24)
