"""When to stop evaluating a candidate: the evidence that it is *not* better by `MINIMUM_GAIN`. Rejects, never accepts.

The hypothesis on trial is "on all dev items the candidate is at least ``d_min`` better than the champion". Items come
in a random order; ``D_i`` in [-1, 1] is the candidate's score on the i-th minus the champion's. A gambler bets the
share ``lambda`` of a capital of 1 against the hypothesis, item after item::

    capital_t = prod_{i <= t} (1 - lambda (D_i - d_min))      E_t = mean of the capitals over `BETS`

Under the hypothesis no bet gains on average, so E is expected to stay at or below 1, and by Ville's inequality (1939)
it ever reaches 20 with probability 1/20 at most, whenever and however often one looks. Waudby-Smith and Ramdas 2024,
"Estimating means of bounded random variables by betting", JRSS B 86:1, arXiv:2010.09686; several fixed bets side by
side here, not one tuned on the way.

Scaling: each bet is divided by ``1 + d_min``, the farthest that ``D - d_min`` can lie from zero, so that no capital
turns negative. With ``l`` the bet before scaling, a broken item multiplies its capital by ``1 + l``, one on which
nothing changed by ``1 + l d_min / (1 + d_min)``, a fixed one by ``1 - l (1 - d_min) / (1 + d_min)``.

By hand, two items broken in a row: the capitals are 1.05^2, 1.1^2, 1.15^2, 1.2^2, 1.3^2, 1.4^2, 1.5^2, 1.6^2 and
1.8^2 = 1.1025, 1.21, 1.3225, 1.44, 1.69, 1.96, 2.25, 2.56 and 3.24; E is their mean, 16.775 / 9 = 1.864. Seven in a
row give 14.6 and eight 23.6: nothing stops before the eighth item.

**Items, not clusters, are the units.** The order is drawn at random by us, item by item, so whatever the items share,
those asked are a random sample of dev, and the hypothesis is about dev: about what the promotion tier, which counts
items too, would see if all of it were asked. Clusters would matter for a claim about items never written; that is the
sealed gate's to make. (Clusters as units would need bets divided by the size of the largest, and a few large ones
would keep anything from being stopped; means of clusters would weigh a skill with small clusters more than dev's score
does.)

**Without replacement.** Ville's inequality is for independent draws, and dev is used up without replacement. At any one
look E still has mean 1 at most (Maclaurin's inequality on the factors), so a look is wrong once in twenty at most; that
both together are, too, is not proven but counted in the tests, where bad luck at first is made up for later.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.exceptions import InputError

MINIMUM_GAIN = 0.03
"""``d_min``: what a candidate on trial claims to be better by, difference of mean scores.

One that is better by less is not what the promise is about: with 15% of items flipping, a candidate that is exactly as
good as the champion is stopped in 6% of evaluations of 300 items and in 21% of those of 1,000 (simulated).
"""
STOP_AT = 20.0
"""E from which the claim is given up: one over the accepted probability of giving up a true one."""
BETS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
"""Shares of the capital before scaling; small ones find small losses late, large ones large losses early."""
LOOKS = (1 / 3, 2 / 3)
"""Shares of dev after which E is looked at: few, since an engine answers few large blocks faster than many."""
_LOG_LARGEST = math.log(1e300)  # E itself outgrows a float on thousands of broken items


@dataclass(frozen=True)
class Capital:
    """Where the e-process stands after some items; `after` gives the next.

    Attributes:
        asked: items so far.
        total: sum of their differences.
        logs: logarithm of each bet's capital, in the order of `BETS`.

    Example::

        capital = Capital().after([-1, 0, -1, -1])
        if capital.futile:
            ...  # no further item needs to be asked
    """

    asked: int = 0
    total: float = 0.0
    logs: tuple[float, ...] = (0.0,) * len(BETS)

    def after(self, differences: Iterable[float]) -> Capital:
        """The capital after further items.

        Args:
            differences: candidate's score minus champion's of each item, in the order asked, -1 to 1.

        Raises:
            InputError: a difference is outside -1 to 1.
        """
        asked, total, logs = self.asked, self.total, list(self.logs)
        for difference in differences:
            if not -1 <= difference <= 1:
                raise InputError(f"futility: the difference of an item is {difference}, outside -1 to 1")
            asked, total = asked + 1, total + difference
            surprise = (MINIMUM_GAIN - difference) / (1 + MINIMUM_GAIN)
            logs = [log + math.log1p(bet * surprise) for log, bet in zip(logs, BETS, strict=True)]
        return Capital(asked, total, tuple(logs))

    @property
    def e(self) -> float:
        """E, above 0; held at 1e300 above that."""
        largest = max(self.logs)
        log = largest + math.log(math.fsum(math.exp(log - largest) for log in self.logs) / len(BETS))
        return math.exp(min(log, _LOG_LARGEST))

    @property
    def delta(self) -> float:
        """Mean difference so far, -1 to 1; 0 before the first item."""
        return self.total / self.asked if self.asked else 0.0

    @property
    def futile(self) -> bool:
        """Whether the evaluation may stop here."""
        return self.e >= STOP_AT


def stop_index(differences: Iterable[float]) -> int | None:
    """How many items had to be asked if E were looked at after each; ``None`` where E never reaches `STOP_AT`.

    Args:
        differences: as for `Capital.after`.
    """
    capital = Capital()
    for difference in differences:
        capital = capital.after([difference])
        if capital.futile:
            return capital.asked
    return None


def next_look(capital: Capital, champion: Sequence[float]) -> int:
    """After how many items, those asked so far included, E is worth looking at next; all of them where it never is.

    A look is skipped where E could not have reached `STOP_AT` even if the candidate lost on every item up to there all
    that the champion has: each factor falls with the difference, which is never below minus the champion's score. So is
    the second look where nothing spoke against the candidate at the first (E below 1): simulated on 300 items it would
    have stopped one candidate in a hundred more at most, and eight in ten good ones are spared a cut.

    Args:
        capital: where the e-process stands.
        champion: the champion's scores on all dev items in the order asked, 0 to 1.
    """
    if capital.asked and capital.e < 1:
        return len(champion)
    for share in LOOKS:
        look = round(share * len(champion))
        if look > capital.asked and capital.after(-score for score in champion[capital.asked : look]).futile:
            return look
    return len(champion)
