"""Holm's procedure as statsmodels has it."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from statsmodels.stats.multitest import multipletests


def rejected(p: Sequence[float], alpha: float) -> list[bool]:
    """Which hypotheses are refuted; statsmodels collects garbage at each call, so the heap is kept out of its way."""
    gc.freeze()
    try:
        return [bool(each) for each in multipletests(p, alpha=alpha, method="holm")[0]]
    finally:
        gc.unfreeze()
