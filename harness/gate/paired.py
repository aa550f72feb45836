"""Before and after on the same items: what was fixed, what was broken, and the difference with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.evaluation.items import clustered_stderr
from harness.exceptions import InputError
from harness.gate.mcnemar import midp
from harness.gate.quantiles import t_quantile
from harness.gate.verdict import Paired

RIGHT = 1.0
"""Score from which an item counts as right; partial credit below it counts as wrong (but moves the mean)."""


def pair(before: Mapping[str, float], after: Mapping[str, float], clusters: Mapping[str, str]) -> Paired:
    """Compare two models on the same items, matched by item id.

    The interval is the mean difference plus and minus Student's t (clusters - 1 degrees of freedom) times its
    clustered standard error, cut off at -1 and 1 (Miller 2024, arXiv:2411.00640, eq. 4 on the paired differences).
    Where all items share one cluster nothing is known about the error, and a difference gets (-1, 1).

    Args:
        before: item id to score, 0 to 1 (1 is right).
        after: the same items' scores under the other model.
        clusters: item id to cluster; items that are not compared are passed over.

    Raises:
        InputError: no items; an item is in one mapping only or has no cluster; a score is outside 0 to 1.
    """
    if not before and not after:
        raise InputError("paired comparison: there are no items to compare; the split is empty")
    _refuse(before.keys() - after.keys(), len(before), "are missing after")
    _refuse(after.keys() - before.keys(), len(after), "are missing before")
    _refuse(before.keys() - clusters.keys(), len(before), "have no cluster")
    ids = sorted(before)
    for scores in (before, after):
        for item_id in ids:
            if not 0.0 <= scores[item_id] <= 1.0:
                raise InputError(f"paired comparison: item {item_id} has score {scores[item_id]}, outside 0 to 1")
    fixed = sum(before[i] < RIGHT <= after[i] for i in ids)
    broken = sum(after[i] < RIGHT <= before[i] for i in ids)
    differences = [after[i] - before[i] for i in ids]
    delta = math.fsum(differences) / len(ids)
    return Paired(
        n=len(ids),
        fixed=fixed,
        broken=broken,
        delta=delta,
        ci95=_interval(differences, [clusters[i] for i in ids], delta),
        midp=midp(fixed, broken),
        midp_worse=midp(broken, fixed),
    )


def _refuse(ids: set[str], of: int, what: str) -> None:
    if ids:
        raise InputError(
            f"paired comparison: {len(ids)} of {of} items {what}, e.g. {min(ids)}; evaluate both on the same items"
        )


def _interval(differences: list[float], clusters: list[str], delta: float) -> tuple[float, float]:
    if not any(differences):
        return (0.0, 0.0)
    groups = len(set(clusters))
    if groups < 2:
        return (-1.0, 1.0)
    reach = t_quantile(0.975, groups - 1) * clustered_stderr(differences, clusters)
    return (max(-1.0, delta - reach), min(1.0, delta + reach))
