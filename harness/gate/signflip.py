"""The paired test for clustered items and for scores that are not just right or wrong: sign flips of cluster sums."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Sequence

from harness.exceptions import InputError

EXACT_CLUSTERS = 16
"""Non-zero clusters up to which all 2^m sign patterns are counted."""
FLIPS = 9_999
"""Random sign patterns above that."""
NORMAL_ABOVE = 20_000
"""Non-zero clusters above which the normal approximation is used."""
_TIE = 1e-12  # of the sum of absolute values: scores such as 1/3 must tie although their floats differ in the last bit


def sign_flip(differences: Sequence[float], clusters: Sequence[str], seed: int = 0) -> float:
    """One-sided p of "the mean difference is above 0" when the items of one cluster may change together.

    Under the null each cluster's sum is as likely to have the opposite sign. The p is the share of sign patterns whose
    total exceeds the observed one, ties counted half; where every cluster's sum is 1 or -1 the exact p is therefore
    `harness.gate.mcnemar.midp`. Clusters that sum to zero drop out.

    Up to `EXACT_CLUSTERS` clusters all patterns are counted; then ``(1 + hits) / (1 + FLIPS)`` over `FLIPS` seeded
    patterns (Phipson and Smyth 2010: never zero); above `NORMAL_ABOVE` ``1 - Phi(sum / sqrt(sum of squares))``.

    Args:
        differences: shape (n,), after minus before, any unit, finite.
        clusters: shape (n,), the cluster of each item.
        seed: of the random patterns; the order of the items does not matter.

    Returns:
        A probability, 0 to 1; 1.0 where nothing changed at all.

    Raises:
        InputError: lengths differ, or a difference is not finite.
    """
    sums = _cluster_sums(differences, clusters)
    if not sums:
        return 1.0
    if len(sums) > NORMAL_ABOVE:
        return 0.5 * math.erfc(math.fsum(sums) / math.sqrt(2 * math.fsum(value * value for value in sums)))
    # Flipping a set of clusters lowers the total by twice the set's sum: the total rises where that sum is negative.
    tie = _TIE * math.fsum(map(abs, sums))
    if len(sums) <= EXACT_CLUSTERS:
        return _hits(_subset_sums(sums), tie) / (1 << len(sums))
    return (1 + _hits(_random_subset_sums(sums, seed), tie)) / (1 + FLIPS)


def _cluster_sums(differences: Sequence[float], clusters: Sequence[str]) -> list[float]:
    if len(differences) != len(clusters):
        raise InputError(f"sign-flip test: {len(differences)} differences but {len(clusters)} cluster ids")
    members: dict[str, list[float]] = {}
    for value, cluster in zip(differences, clusters, strict=True):
        if not math.isfinite(value):
            raise InputError(f"sign-flip test: a difference in cluster '{cluster}' is {value}; leave such items out")
        members.setdefault(cluster, []).append(value)
    sums = []
    for cluster in sorted(members):
        total = math.fsum(members[cluster])
        if abs(total) > _TIE * math.fsum(map(abs, members[cluster])):
            sums.append(total)
    return sums


def _hits(flipped: list[float], tie: float) -> float:
    above = sum(value < -tie for value in flipped)
    tied = sum(abs(value) <= tie for value in flipped)
    return above + tied / 2


def _subset_sums(values: Sequence[float]) -> list[float]:
    sums = [0.0]
    for value in values:
        sums += [partial + value for partial in sums]
    return sums


def _random_subset_sums(values: Sequence[float], seed: int) -> list[float]:
    """`FLIPS` sums of random subsets; a random byte picks one of the 256 subsets of eight values from a table."""
    rng = random.Random(seed)
    sums = [0.0] * FLIPS
    for start in range(0, len(values), 8):
        group = list(values[start : start + 8])
        table = _subset_sums(group + [0.0] * (8 - len(group)))
        sums = list(map(operator.add, sums, map(table.__getitem__, rng.randbytes(FLIPS))))
    return sums
