"""Wilcoxon's signed-rank test, by which paired measurements are compared: robust against outliers."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi, sqrt
from statistics import NormalDist, median
from typing import Final

POWER: Final = 0.9
"""The probability of detecting a difference as large as `Comparison.smallest_detectable`."""


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison."""

    difference: float
    """The median of the differences."""
    p: float
    """The two-sided p-value: an upper bound, for a true difference of no more than is tolerated."""
    smallest_detectable: float
    """The smallest difference that would have been detected."""


def compare(differences: Sequence[float], tolerated: float, significance: float) -> Comparison:
    """Test whether the differences of fifty pairs or more exceed a tolerance in either direction.

    Source: F. Wilcoxon, Individual comparisons by ranking methods, 1945, by its normal approximation. The smallest
    detectable difference is computed from the observed spread, by the test's relative efficiency of 3/pi for values
    that are about normally distributed.
    """
    normal = NormalDist()
    larger = _z_score([difference - tolerated for difference in differences])
    smaller = _z_score([-difference - tolerated for difference in differences])
    p = min(1.0, 2 * (1 - normal.cdf(max(larger, smaller))))
    middle = median(differences)
    spread = 1.4826 * median(abs(difference - middle) for difference in differences)
    quantiles = normal.inv_cdf(1 - significance / 2) + normal.inv_cdf(POWER)
    return Comparison(middle, p, tolerated + quantiles * spread / sqrt(len(differences) * 3 / pi))


def _z_score(values: Sequence[float]) -> float:
    """Return by how many standard deviations the sum of the ranks of positive values exceeds its expectation."""
    ranked = sorted((value for value in values if value), key=abs)
    count = len(ranked)
    positive = sum(rank for rank, value in enumerate(ranked, 1) if value > 0)
    return (positive - count * (count + 1) / 4) / sqrt(count * (count + 1) * (2 * count + 1) / 24)
