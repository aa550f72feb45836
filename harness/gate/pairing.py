"""Two sets of outcomes on the same documents: matched by document, never by position, and compared.

Usable by itself, on two lists of outcomes that have nothing else to do with this package::

    before = [Outcome("q1", 0.0, "passage 1"), Outcome("q2", 1.0, "passage 1"), Outcome("q3", 0.0, "passage 2")]
    after = [Outcome("q3", 1.0, "passage 2"), Outcome("q1", 1.0, "passage 1"), Outcome("q2", 1.0, "passage 1")]
    result = pair_outcomes(before, after)
    result.delta, result.ci95, result.p  # .667, the clustered interval, the p of "after is better"
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.exceptions import InputError
from harness.gate.mcnemar import midp
from harness.gate.power import detectable
from harness.gate.quantiles import t_quantile
from harness.gate.signflip import both_sides, changed_sums, cluster_codes
from harness.gate.verdict import Paired

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RIGHT = 1.0
"""Score from which an item counts as right; partial credit below it counts as wrong (but moves the mean)."""
NAMED = 3
"""Items that a message names."""


class Outcome(NamedTuple):
    """What a model made of one document.

    Attributes:
        item: hash of the document.
        score: 0 to 1 (1 is right).
        cluster: documents that share a passage, template or paraphrase; ``None`` where it stands alone.
    """

    item: str
    score: float
    cluster: str | None = None


def pair_outcomes(before: Iterable[Outcome], after: Iterable[Outcome]) -> Paired:
    """Compare two models on the same documents, in whatever order each lists them.

    Raises:
        InputError: there are none; a document occurs twice, or on one side only, or in two clusters; a score is not a
            number from 0 to 1. Each in one line that names the first ids.
    """
    old, new = _by_item(before, "before"), _by_item(after, "after")
    check_same(old, new)
    was, now = list(old.values()), [new[item] for item in old]
    torn = [each.item for each, other in zip(was, now, strict=True) if each.cluster != other.cluster]
    if torn:
        raise InputError(f"paired comparison: {len(torn)} items are in another cluster after ({first(torn)})")
    # One that stands alone is a cluster of its own, whatever other clusters are called.
    clusters = [(each.item,) if each.cluster is None else each.cluster for each in was]
    return compare_named([each.score for each in was], [each.score for each in now], clusters, list(old))


def compare(before: Sequence[float], after: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Paired:
    """Compare two lists of scores that are already in the same order.

    The interval is the mean difference plus and minus Student's t (clusters - 1 degrees of freedom) times its
    clustered standard error, cut off at -1 and 1 (Miller 2024, arXiv:2411.00640, eq. 4 on the paired differences).
    Where all items share one cluster nothing is known about the error, and a difference gets (-1, 1).

    Where a cluster has several items, or a score lies between 0 and 1, ``Paired.p`` is that of the sign-flip test on
    cluster sums; McNemar's takes items as independent and each as right or wrong, and errs there in up to a quarter
    of all comparisons of equally good models at a nominal 5%.

    Args:
        before, after: shape (n,), 0 to 1 (1 is right), n >= 1.
        clusters: shape (n,), the cluster of each; left out, each item is one.

    Raises:
        InputError: lengths differ, there are no items, or a score is not a number from 0 to 1.
    """
    return compare_named(before, after, clusters, None)


def compare_named(
    before: Sequence[float],
    after: Sequence[float],
    clusters: Sequence[Hashable] | None,
    names: Sequence[str] | None,
) -> Paired:
    """`compare`, with names of the items for its messages: shape (n,)."""
    import numpy as np

    n = len(before)
    if not n == len(after) == (n if clusters is None else len(clusters)):
        what = "" if clusters is None else f" and {len(clusters)} clusters"
        raise InputError(f"paired comparison: {n} scores before, {len(after)} after{what}; they must be of one length")
    if n == 0:
        raise InputError("paired comparison: there are no items to compare; the split is empty")
    old, new = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    for scores in (old, new):
        bad = np.flatnonzero(~((scores >= 0) & (scores <= 1)))
        if len(bad):
            name = names[bad[0]] if names is not None else f"at position {bad[0]}"
            raise InputError(f"paired comparison: item {name} has score {scores[bad[0]]}, outside 0 to 1")
    differences = new - old
    fixed = int(((old < RIGHT) & (new >= RIGHT)).sum())
    broken = int(((new < RIGHT) & (old >= RIGHT)).sum())
    delta = math.fsum(differences) / n
    codes, labels = cluster_codes(clusters if clusters is not None else range(n))
    stderr, ci95 = _error(differences, codes, len(labels), delta)
    alone = len(labels) == n
    graded = bool((((old > 0) & (old < 1)) | ((new > 0) & (new < 1))).any())
    flips = both_sides(changed_sums(differences, codes, labels)) if graded or not alone else (None, None)
    return Paired(
        n=n,
        fixed=fixed,
        broken=broken,
        delta=delta,
        ci95=ci95,
        midp=midp(fixed, broken),
        midp_worse=midp(broken, fixed),
        sign_flip=flips[0],
        sign_flip_worse=flips[1],
        clusters=len(labels),
        stderr=stderr,
        mde=detectable(n, fixed + broken, stderr),
    )


def _error(
    differences: NDArray[np.float64], codes: NDArray[np.intp], groups: int, delta: float
) -> tuple[float | None, tuple[float, float]]:
    """Clustered standard error of the mean difference (`None` for one cluster), and its 95% interval."""
    import numpy as np

    if not differences.any():
        return (0.0 if groups > 1 else None), (0.0, 0.0)
    if groups < 2:
        return None, (-1.0, 1.0)
    residuals = np.bincount(codes, weights=differences) - np.bincount(codes) * delta
    stderr = math.sqrt(math.fsum(residuals * residuals)) / len(differences)
    reach = t_quantile(0.975, groups - 1) * stderr
    return stderr, (max(-1.0, delta - reach), min(1.0, delta + reach))


def _by_item(outcomes: Iterable[Outcome], side: str) -> dict[str, Outcome]:
    listed = list(outcomes)
    found = {outcome.item: outcome for outcome in listed}
    if len(found) < len(listed):
        twice = [item for item, count in Counter(outcome.item for outcome in listed).items() if count > 1]
        raise InputError(f"paired comparison: {len(twice)} items occur more than once {side} ({first(twice)})")
    return found


def check_same(before: Mapping[str, object], after: Mapping[str, object]) -> None:
    """Refuse what cannot be paired.

    Raises:
        InputError: there are no items, none is in both, or some are in one only.
    """
    if not before and not after:
        raise InputError("paired comparison: there are no items to compare; the split is empty")
    if before.keys() == after.keys():
        return
    if before and after and before.keys().isdisjoint(after):
        raise InputError(
            f"paired comparison: no item is on both sides (before: {first(before)}; after: {first(after)}); "
            "these are answers to other documents"
        )
    for missing, of, what in (
        (before.keys() - after.keys(), len(before), "after"),
        (after.keys() - before.keys(), len(after), "before"),
    ):
        if missing:
            raise InputError(
                f"paired comparison: {len(missing)} of {of} items are missing {what} ({first(missing)}); "
                "evaluate both on the same items"
            )


def first(items: Iterable[str]) -> str:
    """The first few ids in alphabetical order, for a message."""
    names = sorted(set(items))
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
