"""Whole rows out of shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from harness.diagnosis import Cell

Key = TypeVar("Key", str, Cell)


def apportion(
    total: int,
    weights: Mapping[Key, float],
    high: Mapping[Key, int],
    low: Mapping[Key, int] | None = None,
) -> dict[Key, int]:
    """Deal ``total`` rows out in proportion to ``weights``, within bounds.

    Webster's method, one row at a time: every key starts from its lower bound, and the next row goes to the key with
    the largest ``weight / (2 * rows + 1)`` that is below its upper bound, so what one key cannot take spills over to
    the others in proportion. Ties go to the first key in sorted order. Keys of weight 0 stay at their lower bound.

    Args:
        total: rows to deal, >= 0.
        weights: >= 0, need not add up to 1.
        high: most rows of each key (its supply); a key that is not in it gets none.
        low: fewest rows of each key, where that is not 0; their sum must not exceed ``total``.

    Returns:
        Rows of each key of ``weights``; they add up to ``total`` unless the upper bounds do not reach.
    """
    order = sorted(weights)
    rows = {key: min((low or {}).get(key, 0), high.get(key, 0)) for key in order}
    for _ in range(total - sum(rows.values())):
        open_keys = [key for key in order if weights[key] > 0 and rows[key] < high.get(key, 0)]
        if not open_keys:
            break
        rows[max(open_keys, key=lambda key: weights[key] / (2 * rows[key] + 1))] += 1
    return rows
