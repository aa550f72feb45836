"""One-sided bounds for what gates are held against: shares, means and drops, over items that come in clusters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from harness.gate.quantiles import t_quantile

_NOTHING = 1e-12  # sum of squares that is rounding alone


@dataclass(frozen=True)
class Interval:
    """A figure with its bounds: the truth is below ``low`` with probability alpha at most, and above ``high``.

    Both together are the two-sided interval of ``1 - 2 alpha``. Infinite where nothing is known.

    Attributes:
        n: items.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class _Sums:
    """Values by cluster: their sums, and the clusters' sizes."""

    totals: tuple[float, ...]
    sizes: tuple[int, ...]

    @property
    def n(self) -> int:
        return sum(self.sizes)

    @property
    def typical(self) -> float:
        """Size of the cluster of an average item: 1 where each item stands alone."""
        return sum(size * size for size in self.sizes) / self.n

    def squares(self, mean: float) -> float:
        """Sum over clusters of the squared sum of residuals."""
        pairs = zip(self.totals, self.sizes, strict=True)
        return math.fsum((total - size * mean) ** 2 for total, size in pairs)


def _sums(values: Sequence[float], clusters: Sequence[Hashable]) -> _Sums:
    members: dict[Hashable, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        members.setdefault(cluster, []).append(value)
    return _Sums(tuple(math.fsum(each) for each in members.values()), tuple(len(each) for each in members.values()))


def effective_size(values: Sequence[float], clusters: Sequence[Hashable], alpha: float) -> float:
    """Independent items that would tell as much about the mean as these, at most their number.

    ``n / deff`` with deff the clustered variance of the mean over that of a simple sample, times the squared ratio of
    Student's t for n - 1 and for clusters - 1 degrees of freedom (Korn and Graubard 1998, "Confidence intervals for
    proportions with small expected number of positive counts estimated from survey data", Survey Methodology 24:193).
    Where the variance says nothing (all values alike, one cluster) each cluster counts once: ``n^2 / sum of sizes^2``.
    """
    sums = _sums(values, clusters)
    n, groups = sums.n, len(sums.sizes)
    if groups == n:
        return float(n)
    mean = math.fsum(sums.totals) / n
    simple = math.fsum((value - mean) ** 2 for value in values) * n / (n - 1)
    if groups < 2 or simple < _NOTHING:
        return n / sums.typical
    deff = max(1.0, groups / (groups - 1) * sums.squares(mean) / simple)
    return n / deff * (t_quantile(1 - alpha, n - 1) / t_quantile(1 - alpha, groups - 1)) ** 2


def share_interval(hits: Sequence[bool], clusters: Sequence[Hashable], alpha: float) -> Interval:
    """The share of hits with Wilson's bounds (Wilson 1927), at `effective_size` items.

    Args:
        hits, clusters: shape (n,), n >= 1.
        alpha: of each side, above 0 and below .5.
    """
    share = sum(hits) / len(hits)
    n = effective_size([float(hit) for hit in hits], clusters, alpha)
    z = NormalDist().inv_cdf(1 - alpha)
    square = z * z / n
    middle = (share + square / 2) / (1 + square)
    reach = z * math.sqrt(share * (1 - share) / n + square / (4 * n)) / (1 + square)
    low = max(0.0, middle - reach) if share > 0 else 0.0
    high = min(1.0, middle + reach) if share < 1 else 1.0
    return Interval(share, low, high, len(hits))


def mean_interval(values: Sequence[float], clusters: Sequence[Hashable], alpha: float) -> Interval:
    """The mean with Student's t bounds on cluster sums, clusters - 1 degrees of freedom.

    The standard error is ``sqrt(G / (G - 1) * sum over clusters of (sum of residuals)^2) / n``: Miller 2024
    (arXiv:2411.00640, eq. 4) with the usual correction for few clusters; of items that stand alone, ``s / sqrt(n)``.

    Args:
        values, clusters: shape (n,), n >= 1; values in any unit, finite.
        alpha: of each side, above 0 and below .5.
    """
    sums = _sums(values, clusters)
    n, groups = sums.n, len(sums.sizes)
    mean = math.fsum(values) / n
    if groups < 2:
        return Interval(mean, -math.inf, math.inf, n)
    stderr = math.sqrt(groups / (groups - 1) * sums.squares(mean)) / n
    reach = t_quantile(1 - alpha, groups - 1) * stderr
    return Interval(mean, mean - reach, mean + reach, n)


def difference_interval(differences: Sequence[float], clusters: Sequence[Hashable], alpha: float) -> Interval:
    """The mean of paired differences of scores, with bounds that are honest where next to nothing changed.

    Tango's score bounds (Tango 1998, "Equivalence test and confidence interval for the difference in proportions for
    the paired-sample design", Statist Med 17:891) at `effective_size` items: that none of 60 items changed still
    leaves a drop of 4 points possible. Partial credit counts as a part of an item that changed, which errs to the safe
    side.

    Args:
        differences: shape (n,), after minus before, -1 to 1, n >= 1.
        clusters: shape (n,).
        alpha: of each side, above 0 and below .5.
    """
    n = len(differences)
    size = effective_size(differences, clusters, alpha)
    fixed = size * math.fsum(value for value in differences if value > 0) / n
    broken = size * math.fsum(-value for value in differences if value < 0) / n
    z = NormalDist().inv_cdf(1 - alpha)
    delta = math.fsum(differences) / n
    low, high = _lower(fixed, broken, size, z), -_lower(broken, fixed, size, z)
    return Interval(delta, min(delta, low), max(delta, high), n)


def _lower(fixed: float, broken: float, n: float, z: float) -> float:
    """The smallest difference that the score test does not reject: its statistic falls as the difference rises."""
    low, high = -1.0, (fixed - broken) / n
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _score(fixed, broken, n, middle) > z else (low, middle)
    return low


def _score(fixed: float, broken: float, n: float, delta: float) -> float:
    """Tango's statistic of "the difference is ``delta``", its nuisance parameter at the restricted maximum."""
    linear = (2 * n - fixed + broken) * delta - fixed - broken
    constant = -broken * delta * (1 - delta)
    share = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * share + delta * (1 - delta))
    gap = fixed - broken - n * delta
    return gap / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, gap)
