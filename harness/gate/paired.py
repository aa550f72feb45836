"""Before and after on the same items, as evaluations have them: item id to score."""

from __future__ import annotations

from collections.abc import Mapping

from harness.exceptions import InputError
from harness.gate.pairing import check_same, compare_named, first
from harness.gate.verdict import Paired


def pair(before: Mapping[str, float], after: Mapping[str, float], clusters: Mapping[str, str]) -> Paired:
    """Compare two models on the same items, matched by item id; the figures are those of `pairing.compare`.

    Args:
        before: item id to score, 0 to 1 (1 is right).
        after: the same items' scores under the other model.
        clusters: item id to cluster; items that are not compared are passed over.

    Raises:
        InputError: no items; an item is in one mapping only or has no cluster; a score is outside 0 to 1.
    """
    check_same(before, after)
    homeless = before.keys() - clusters.keys()
    if homeless:
        raise InputError(
            f"paired comparison: {len(homeless)} of {len(before)} items have no cluster ({first(homeless)})"
        )
    ids = list(before)
    return compare_named(list(before.values()), [after[item] for item in ids], [clusters[item] for item in ids], ids)
