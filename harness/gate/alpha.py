"""How much error a look at the sealed items may spend.

Online fallback (Tian and Ramdas 2021, "Online control of the familywise error rate", Stat Methods Med Res 30:4,
arXiv:1910.04900): of a total of .05 each of 8 looks owns an eighth, and a look that certified hands its level on to the
next one. A look that did not certify has spent its level, and so has one that was debited and never came to a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.exceptions import InputError

LOOKS = 8
"""Looks at one set of sealed items; new items are the only way to more."""
TOTAL_ALPHA = 0.05
"""Chance of ever certifying a candidate that is no better, over all looks up to the first false certificate."""


@dataclass(frozen=True)
class Look:
    """One look at the sealed items.

    Attributes:
        alpha: level it was debited at, above 0 and below 1.
        certified: its one bit; ``None`` where the process died between debit and verdict: spent, not certified.
    """

    alpha: float
    certified: bool | None


def next_alpha(looks: Sequence[Look], total: float = TOTAL_ALPHA, of: int = LOOKS) -> float | None:
    """Level of the next look: ``total / of``, and that of the look before where it certified.

    Args:
        looks: those made so far, in order, over all runs on these items.
        total: error budget of all looks together, above 0 and below 1.
        of: how many looks there are, >= 1.

    Returns:
        A level, above 0 and up to ``total``; ``None`` where all looks are spent.

    Raises:
        InputError: ``total`` or ``of`` is out of range, or a look was debited at a level that the rule does not give.
    """
    if not 0 < total < 1 or of < 1:
        raise InputError(f"alpha: need 0 < total < 1 and at least 1 look, got total {total} and {of} looks")
    share = level = total / of
    for number, look in enumerate(looks, start=1):
        if not math.isclose(look.alpha, level, rel_tol=1e-9):
            raise InputError(
                f"alpha: look {number} was debited at {look.alpha:.6g}, the rule gives {level:.6g}; the record of "
                "looks is damaged or was made with another budget"
            )
        level = share + (level if look.certified else 0.0)
    return level if len(looks) < of else None
