"""Numbers as a reader wants them; one place, so that a page and a pull request say the same figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

Z95 = 1.959963984540054
MINUS = "\u2212"


def percent(share: float) -> str:
    """``0.5817`` as ``58.2%``."""
    return f"{100 * share:.1f}%"


def points(difference: float, *, signed: bool = True) -> str:
    """A difference of shares in percentage points: ``0.41`` as ``+41.0`` (``41.0`` unsigned); zero has no sign."""
    text = f"{abs(100 * difference):.1f}"
    if not signed or float(text) == 0:
        return text
    return ("+" if difference > 0 else MINUS) + text


def interval(ci95: Sequence[float]) -> str:
    """An interval of a difference in points: ``+36.9 to +45.1``."""
    return f"{points(ci95[0])} to {points(ci95[1])}"


def probability(p: float) -> str:
    """A p-value as statistics writes it, without a zero before the point: ``.214``, ``< .001`` below three decimals."""
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def integer(value: float) -> str:
    """``31200`` as ``31,200``."""
    return f"{round(value):,}"


def duration(seconds: float) -> str:
    """``7``, ``192`` and ``3900`` seconds as ``7.0 s``, ``3 min 12 s`` and ``1 h 05 min``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def score_interval(score: Mapping[str, Any]) -> tuple[float, float]:
    """The 95% interval of a ``Score`` object's value, 0 to 1.

    Wilson's interval (1927) with the number of independent items that the clustered standard error amounts to,
    ``value (1 - value) / stderr^2``: it stays inside 0 to 1 and does not shrink to nothing at 0 right of n, as
    ``value +- 1.96 stderr`` does.
    """
    value, stderr, n = float(score["value"]), float(score["stderr"]), float(score["n"])
    if n < 1:
        return 0.0, 1.0
    if stderr > 0 and 0 < value < 1:
        n = max(1.0, value * (1 - value) / stderr**2)
    z2 = Z95 * Z95
    centre = (value + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(max(0.0, value * (1 - value)) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def score_range(score: Mapping[str, Any]) -> str:
    """The 95% interval of a score as ``54.2 to 62.1%``."""
    low, high = score_interval(score)
    return f"{100 * low:.1f} to {100 * high:.1f}%"


def plural(count: int, noun: str) -> str:
    """``1 round``, ``2 rounds``, ``1,200 rounds``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
