"""How large a gain a paired test on n items can see."""

from __future__ import annotations

import math
from statistics import NormalDist

from harness.exceptions import InputError

_REACH = NormalDist().inv_cdf(0.95) + NormalDist().inv_cdf(0.8)


def items_needed(effect: float, discordant: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Items that a one-sided McNemar test needs to see a true gain.

    ``n = (z_alpha sqrt(d) + z_power sqrt(d - D^2))^2 / D^2``, rounded up; d is at least D, since a gain of D flips
    that many items. Source: Connor 1987, "Sample size for testing differences in proportions for the paired-sample
    design", Biometrics 43:207.

    Args:
        effect: the true gain D, above 0 and up to 1 (.05 is five points).
        discordant: share d of the items that flip either way, 0 to 1.
        alpha: one-sided level, above 0 and below .5.
        power: probability of seeing the gain, .5 up to below 1.

    Raises:
        InputError: an argument is out of range.
    """
    if not 0 < effect <= 1:
        raise InputError(f"power: the effect must lie above 0 and up to 1, got {effect}")
    _check(discordant, alpha, power)
    return math.ceil(_items(effect, discordant, alpha, power))


def minimum_detectable_effect(n: int, discordant: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """The smallest true gain that ``n`` items show with probability ``power``: `items_needed` turned round.

    Args:
        n: items, >= 1.
        discordant, alpha, power: as for `items_needed`.

    Returns:
        A difference of means, above 0 and up to 1; 1.0 where not even that can be seen.

    Raises:
        InputError: an argument is out of range.
    """
    if n < 1:
        raise InputError(f"power: the number of items must be at least 1, got {n}")
    _check(discordant, alpha, power)
    low, high = 0.0, 1.0
    for _ in range(60):  # fewer items are needed the larger the effect is
        middle = (low + high) / 2
        low, high = (low, middle) if _items(middle, discordant, alpha, power) <= n else (middle, high)
    return high


def detectable(n: int, changed: int, stderr: float | None) -> float:
    """The smallest true gain that a comparison like this one shows with 80% power at a one-sided level of 5%.

    The larger of McNemar's, which takes items as independent, and 2.49 clustered standard errors (1.645 for the level,
    .842 for the power): items of one cluster err together and tell less than their number.

    Args:
        n: items, >= 1.
        changed: items that went from right to wrong or back, 0 to n; one is assumed where none did.
        stderr: clustered standard error of the difference; ``None`` (unknown) gives 1.

    Returns:
        A difference of means, above 0 and up to 1.
    """
    if stderr is None:
        return 1.0
    independent = minimum_detectable_effect(n, max(changed, 1) / n)
    return min(1.0, max(independent, _REACH * stderr))


def power_line(mde: float, minimum_effect: float) -> str:
    """What a comparison can see, in one line; ``UNDERPOWERED`` where that is less than the user wants to see.

    Args:
        mde: `detectable`, or `minimum_detectable_effect`, 0 to 1.
        minimum_effect: the smallest true gain that matters, above 0 and up to 1.
    """
    line = f"minimum detectable effect {100 * mde:.1f} points"
    if mde <= minimum_effect:
        return line
    wanted = 100 * minimum_effect
    points = "1 point" if wanted == 1 else f"{wanted:g} points"
    return f"{line}: UNDERPOWERED, a true gain of {points} is missed more often than one time in five; add items"


def _check(discordant: float, alpha: float, power: float) -> None:
    if not 0 <= discordant <= 1:
        raise InputError(f"power: the share of items that flip must lie between 0 and 1, got {discordant}")
    if not 0 < alpha < 0.5 <= power < 1:
        raise InputError(f"power: need 0 < alpha < .5 <= power < 1, got alpha {alpha} and power {power}")


def _items(effect: float, discordant: float, alpha: float, power: float) -> float:
    flips = max(discordant, effect)
    normal = NormalDist()
    spread = math.sqrt(max(flips - effect * effect, 0.0))
    return ((normal.inv_cdf(1 - alpha) * math.sqrt(flips) + normal.inv_cdf(power) * spread) / effect) ** 2
