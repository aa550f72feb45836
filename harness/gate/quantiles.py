"""Student's t quantile from the standard library, for intervals over few clusters."""

from __future__ import annotations

import math
from statistics import NormalDist

from harness.exceptions import InputError

_SERIES_UP_TO = 200  # degrees of freedom; the expansion's error is below 1e-9 above it


def t_quantile(probability: float, degrees: int) -> float:
    """The value below which Student's t lies with ``probability``.

    Source: Abramowitz and Stegun 1964, 26.7.3 and 26.7.4 (finite sums for a whole number of degrees), inverted by
    bisection; above 200 degrees 26.7.5 (Cornish-Fisher).

    Args:
        probability: .5 to 1, exclusive of 1.
        degrees: degrees of freedom, >= 1.

    Raises:
        InputError: an argument is out of range.
    """
    if not 0.5 <= probability < 1 or degrees < 1:
        raise InputError(f"t quantile: need .5 <= probability < 1 and degrees >= 1, got {probability} and {degrees}")
    if degrees > _SERIES_UP_TO:
        return _expansion(NormalDist().inv_cdf(probability), degrees)
    within = 2 * probability - 1
    low, high = 0.0, math.pi / 2  # of the angle atan(t / sqrt(degrees)), which is bounded where t is not
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _central(middle, degrees) < within else (low, middle)
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def _central(angle: float, degrees: int) -> float:
    """Probability of ``|t| < sqrt(degrees) * tan(angle)``."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(odd, degrees - 1, 2):  # terms in cosine^power, the last one degrees - 2
        total += term
        term *= cosine * cosine * (power + 1) / (power + 2)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _expansion(z: float, degrees: int) -> float:
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + (first + (second + third / degrees) / degrees) / degrees
