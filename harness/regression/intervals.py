"""One-sided bounds for what gates are held against: shares, means and drops, over items that come in clusters."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from harness.gate.quantiles import t_quantile


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


def effective_size(hits: Sequence[bool], clusters: Sequence[Hashable], alpha: float) -> float:
    """Independent items that would tell as much about the share of hits as these, at most their number.

    ``n / deff`` with deff the clustered variance of the share over that of a simple sample, times the squared ratio of
    Student's t for n - 1 and for clusters - 1 degrees of freedom (Korn and Graubard 1998, "Confidence intervals for
    proportions with small expected number of positive counts estimated from survey data", Survey Methodology 24:193).
    Where the variance says nothing (all hits, none, one cluster) each cluster counts once: ``n^2 / sum of sizes^2``.
    """
    sums = _sums([float(hit) for hit in hits], clusters)
    n, groups = sums.n, len(sums.sizes)
    if groups == n:
        return float(n)
    share = math.fsum(sums.totals) / n
    if groups < 2 or not 0 < share < 1:
        return n / sums.typical
    variance = groups / (groups - 1) * sums.squares(share) / n**2
    deff = max(1.0, variance * (n - 1) / (share * (1 - share)))
    return n / deff * (t_quantile(1 - alpha, n - 1) / t_quantile(1 - alpha, groups - 1)) ** 2


def share_interval(hits: Sequence[bool], clusters: Sequence[Hashable], alpha: float) -> Interval:
    """The share of hits with Wilson's bounds (Wilson 1927), at `effective_size` items.

    Args:
        hits, clusters: shape (n,), n >= 1.
        alpha: of each side, above 0 and below .5.
    """
    share = sum(hits) / len(hits)
    n = effective_size(hits, clusters, alpha)
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

    Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions", Statist Med 24:729:
    half an observation is added to each of the four cells, so that no change on 60 items still leaves a drop of some
    points possible. Here it is half a cluster of the size that an average item's has, and Student's t for clusters - 1
    degrees takes the place of the normal.

    Args:
        differences: shape (n,), after minus before, -1 to 1, n >= 1.
        clusters: shape (n,).
        alpha: of each side, above 0 and below .5.
    """
    sums = _sums(differences, clusters)
    n, groups = sums.n, len(sums.sizes)
    delta = math.fsum(differences) / n
    if groups < 2:
        return Interval(delta, -1.0, 1.0, n)
    size = sums.typical
    whole = n + 2 * size
    middle = math.fsum(differences) / whole
    squares = sums.squares(middle) + size * size * (1 + 2 * middle * middle)
    reach = t_quantile(1 - alpha, groups - 1) * math.sqrt(squares) / whole
    return Interval(delta, max(-1.0, min(delta, middle - reach)), min(1.0, max(delta, middle + reach)), n)
