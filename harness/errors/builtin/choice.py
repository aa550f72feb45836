"""Errors of multiple choice: a habit of picking one place, a near miss, a distractor that was preferred.

All three read the figures that scoring leaves beside the task's metrics (`harness.evaluation.choices`); a generated
answer has none, and none of these errors.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.text import quote, visible_span
from harness.evaluation.choices import GOLD, OPTIONS, PICKED, SHORT
from harness.evaluation.items import ItemResult

FEWEST = 20
"""Items of a task below which a habit cannot be told from chance."""
RARE = 0.001
"""Probability of so many picks of one place by chance, over all places, below which it is a habit."""
NEAR = 0.5
"""Nats by which a near miss falls short at most: the picked ending is then at most 1.65 times as likely."""


def _is_choice(item: ItemResult) -> bool:
    return GOLD in item.metrics and PICKED in item.metrics


def _missed(item: ItemResult) -> bool:
    """Whether another ending than a gold one was picked, whatever the task's metric makes of it."""
    return item.metrics[PICKED] != item.metrics[GOLD]


class PositionBias:
    """Sees a place that is picked far more often than right answers stand there, over all items of a task."""

    name = "position_bias"
    version = "1"
    categories: tuple[str, ...] = ("position_bias",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """A single pick shows no habit: not assessed."""
        return self.classify_group([item])[0]

    def classify_group(self, items: Sequence[ItemResult]) -> list[list[ErrorLabel]]:
        """A label on each wrong pick of a place that is picked by habit.

        By chance a place is picked as often as right answers stand there, or as often as blind guessing picks it,
        whichever is more. A habit is a count whose binomial tail is below `RARE` over the number of places. The
        confidence is the share of the place's picks that are beyond what chance expects.
        """
        labels: list[list[ErrorLabel]] = [[] for _ in items]
        of_task: dict[str, list[int]] = {}
        for number, item in enumerate(items):
            if _is_choice(item):
                of_task.setdefault(item.task, []).append(number)
        for numbers in of_task.values():
            own = [items[number] for number in numbers]
            if len(own) < FEWEST:
                few = f"{len(own)} items of the task; a habit needs {FEWEST}"
                for number in numbers:
                    labels[number] = [not_assessed("position_bias", few)]
                continue
            habits = _habits(own)
            for number, item in zip(numbers, own, strict=True):
                place = int(item.metrics[PICKED])
                if place in habits and _missed(item):
                    share, expected = habits[place]
                    reason = f"place {place + 1} is picked in {share:.0%} of {len(own)} items, expected {expected:.0%}"
                    confidence = (share - expected) / share
                    labels[number] = [ErrorLabel("position_bias", confidence, visible_span(item.response), reason)]
        return labels


def _habits(items: Sequence[ItemResult]) -> dict[int, tuple[float, float]]:
    """Places that are picked by habit: the share of picks, and the share that chance would give."""
    n = len(items)
    picks = Counter(int(item.metrics[PICKED]) for item in items)
    golds = Counter(int(item.metrics[GOLD]) for item in items)
    options = [int(item.metrics[OPTIONS]) for item in items]
    found = {}
    for place, count in picks.items():
        blind = sum(1 / size for size in options if size > place) / n
        expected = max(golds[place] / n, blind)
        if expected < 1 and _tail(count, n, expected) < RARE / max(options):
            found[place] = (count / n, expected)
    return found


def _tail(count: int, n: int, probability: float) -> float:
    """Probability of at least ``count`` of ``n`` at ``probability`` each, exactly."""
    if probability <= 0.0:
        return float(count <= 0)
    logs = (
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + k * math.log(probability) + (n - k) * math.log1p(-probability)
        for k in range(count, n + 1)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))


class NearMiss:
    """Sees a right ending that was nearly picked."""

    name = "near_miss"
    version = "1"
    categories: tuple[str, ...] = ("near_miss",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label where the gold ending falls short by `NEAR` nats at most; surer the less it does."""
        if not _is_choice(item) or not _missed(item):
            return []
        short = item.metrics.get(SHORT)
        if short is None:
            return [not_assessed("near_miss", "an ending has no finite log-likelihood")]
        if short > NEAR:
            return []
        reason = f"{quote(item.target)} falls short of it by {short:.2f} nats"
        return [ErrorLabel("near_miss", 1.0 - 0.5 * short / NEAR, visible_span(item.response), reason)]


class PickedDistractor:
    """Sees a wrong ending that was clearly preferred."""

    name = "picked_distractor"
    version = "1"
    categories: tuple[str, ...] = ("picked_distractor",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label where the gold ending falls short by more than `NEAR` nats."""
        if not _is_choice(item) or not _missed(item):
            return []
        short = item.metrics.get(SHORT, math.inf)
        if short <= NEAR:
            return []
        place, gold = int(item.metrics[PICKED]) + 1, int(item.metrics[GOLD]) + 1
        by = f" by {short:.2f} nats" if math.isfinite(short) else ""
        reason = f"ending {place} of {item.metrics[OPTIONS]:g} is preferred to the right one, ending {gold}{by}"
        return [ErrorLabel("picked_distractor", 1.0, visible_span(item.response), reason)]
