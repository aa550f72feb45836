"""The paired test for clustered items and for scores that are not just right or wrong: sign flips of cluster sums."""

from __future__ import annotations

import math
import random
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from harness.exceptions import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    import numpy as np

    if len(differences) != len(clusters):
        raise InputError(f"sign-flip test: {len(differences)} differences but {len(clusters)} cluster ids")
    for value, cluster in zip(differences, clusters, strict=True):
        if not math.isfinite(value):
            raise InputError(f"sign-flip test: a difference in cluster '{cluster}' is {value}; leave such items out")
    codes, names = cluster_codes(clusters)
    return both_sides(changed_sums(np.asarray(differences, dtype=float), codes, names), seed)[0]


def cluster_codes(clusters: Sequence[Hashable]) -> tuple[NDArray[np.intp], list[Hashable]]:
    """Number the clusters in the order of their first items: shape (n,) of numbers, and the name of each number."""
    import numpy as np

    index: dict[Hashable, int] = {}
    codes = np.fromiter((index.setdefault(name, len(index)) for name in clusters), np.intp, len(clusters))
    return codes, list(index)


def changed_sums(
    differences: NDArray[np.float64], codes: NDArray[np.intp], names: Sequence[Hashable]
) -> NDArray[np.float64]:
    """The cluster sums that are not zero, in the order of the clusters' names (where random patterns are drawn).

    Args:
        differences: shape (n,), finite.
        codes, names: from `cluster_codes`.
    """
    import numpy as np

    sums = np.asarray(np.bincount(codes, weights=differences, minlength=len(names)), dtype=np.float64)
    sizes = np.bincount(codes, weights=np.abs(differences), minlength=len(names))
    changed = np.flatnonzero(np.abs(sums) > _TIE * sizes)
    if len(changed) <= NORMAL_ABOVE:
        changed = np.array(sorted(changed.tolist(), key=lambda code: str(names[code])), dtype=np.intp)
    return sums[changed]


def both_sides(sums: NDArray[np.float64], seed: int = 0) -> tuple[float, float]:
    """p of "better" and of "worse" by `sign_flip`'s rules, from the same patterns.

    Args:
        sums: shape (clusters that changed,), none of them zero.
        seed: of the random patterns.
    """
    import numpy as np

    if not len(sums):
        return 1.0, 1.0
    if len(sums) > NORMAL_ABOVE:
        z = math.fsum(sums) / math.sqrt(2 * math.fsum(sums * sums))
        return 0.5 * math.erfc(z), 0.5 * math.erfc(-z)
    # Flipping a set of clusters lowers the total by twice the set's sum: the total rises where that sum is negative.
    tie = _TIE * math.fsum(np.abs(sums))
    if len(sums) <= EXACT_CLUSTERS:
        patterns, extra = _subset_sums(sums), 0
    else:
        patterns, extra = _random_subset_sums(sums, seed), 1
    above, below = int((patterns < -tie).sum()), int((patterns > tie).sum())
    tied = len(patterns) - above - below
    count = len(patterns) + extra
    return (extra + above + tied / 2) / count, (extra + below + tied / 2) / count


def _subset_sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums, sums + value])
    return sums


def _random_subset_sums(values: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """`FLIPS` sums of random subsets; a random byte picks one of the 256 subsets of eight values from a table."""
    import numpy as np

    rng = random.Random(seed)
    sums = np.zeros(FLIPS)
    for start in range(0, len(values), 8):
        group = values[start : start + 8]
        table = _subset_sums(np.concatenate([group, np.zeros(8 - len(group))]))
        sums += table[np.frombuffer(rng.randbytes(FLIPS), np.uint8)]
    return sums
