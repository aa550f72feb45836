"""The paired test of a decision: one-sided McNemar, mid-p and exact, standard library only."""

from __future__ import annotations

import math

from harness.exceptions import InputError

EXACT_UP_TO = 10_000
"""Discordant pairs up to which the sum is made of exact integers (a few milliseconds); above it, of floats."""


def midp(fixed: int, broken: int) -> float:
    """One-sided mid-p of "the candidate is better", given what it fixed and what it broke.

    With b fixed and c broken, ``p = [sum_{k>b} C(b+c, k) + C(b+c, b) / 2] / 2^(b+c)``. Half of the observed table's
    own probability is counted, so no changed item gives .5, and ``midp(b, c) + midp(c, b) == 1``.
    Source: Fagerland, Lydersen and Laake 2013, "The McNemar test for binary matched-pairs data", BMC Med Res
    Methodol 13:91.

    Args:
        fixed: items wrong before and right after, >= 0.
        broken: items right before and wrong after, >= 0.

    Returns:
        A probability, 0 to 1: the exact value rounded to a float up to `EXACT_UP_TO` discordant pairs, above that
        the same sum in floats (relative error below 1e-11).

    Raises:
        InputError: a count is negative.
    """
    if fixed < 0 or broken < 0:
        raise InputError(f"mid-p McNemar: counts must not be negative, got fixed={fixed}, broken={broken}")
    if fixed == broken:
        return 0.5
    if fixed < broken:
        return 1.0 - midp(broken, fixed)
    # By symmetry the tail above `fixed` is the tail below `broken`, which is the shorter to add up.
    if fixed + broken <= EXACT_UP_TO:
        return _exact_lower_tail(fixed + broken, broken)
    return _float_lower_tail(fixed + broken, broken)


def exact(fixed: int, broken: int) -> float:
    """One-sided exact p of "the candidate is better": all of the observed table's own probability is counted.

    ``p = sum_{k>=b} C(b+c, k) / 2^(b+c)``: `midp` and half of that table's probability, so it is the larger of the two
    and never rejects more often than its level, which mid-p may by a little. No changed item gives 1.
    Source: McNemar 1947, "Note on the sampling error of the difference between correlated proportions", Psychometrika
    12:153.

    Args, Raises: as for `midp`.
    """
    return min(1.0, midp(fixed, broken) + _probability(fixed + broken, broken) / 2)


def _probability(n: int, k: int) -> float:
    """``C(n, k) / 2^n``."""
    if n <= EXACT_UP_TO:
        return math.comb(n, k) / (1 << n)
    return math.ldexp(1.0, -n) if k in (0, n) else _half_binomial(n, k)


def _exact_lower_tail(n: int, k: int) -> float:
    below, term = 0, 1  # term is C(n, i)
    for i in range(k):
        below += term
        term = term * (n - i) // (i + 1)
    return (2 * below + term) / (1 << (n + 1))


def _float_lower_tail(n: int, k: int) -> float:
    if k == 0:
        return math.ldexp(0.5, -n)
    term = _half_binomial(n, k)
    total = term / 2
    i = k
    while i > 0 and term > total * 1e-18:
        term *= i / (n - i + 1)
        total += term
        i -= 1
    return total


def _half_binomial(n: int, k: int) -> float:
    """``C(n, k) / 2^n`` for 0 < k < n without the cancellation of three log-gammas (Loader 2000, saddle point)."""
    half = n / 2
    excess = (k - half) / half
    deviance = half * ((1 + excess) * math.log1p(excess) + (1 - excess) * math.log1p(-excess))
    correction = _stirling_error(n) - _stirling_error(k) - _stirling_error(n - k)
    return math.exp(correction - deviance) * math.sqrt(n / (2 * math.pi * k * (n - k)))


def _stirling_error(n: int) -> float:
    """``ln n!`` less Stirling's formula, n > 0."""
    if n < 16:
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi)
    square = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / n
