"""Several hypotheses at one level: Holm's step-down procedure."""

from __future__ import annotations

from collections.abc import Sequence


def holm(ps: Sequence[float], alpha: float) -> list[bool]:
    """Which of several hypotheses are refuted at a level for all together, in the order of ``ps``.

    Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6:65.

    Args:
        ps: p-values, 0 to 1, shape (k,).
        alpha: probability that any true hypothesis is refuted, at most.
    """
    refuted = [False] * len(ps)
    for rank, place in enumerate(sorted(range(len(ps)), key=lambda each: ps[each])):
        if ps[place] > alpha / (len(ps) - rank):
            break
        refuted[place] = True
    return refuted
