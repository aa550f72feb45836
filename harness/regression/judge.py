"""Gates judged on answers. Pure: no files, clock, model or torch."""

from __future__ import annotations

import datetime

from harness.regression.answers import AnswerSet
from harness.regression.declare import Declared
from harness.regression.results import GateResult


def judge(
    declared: Declared, now: AnswerSet, baseline: AnswerSet | None, today: datetime.date, why_not: str = ""
) -> list[GateResult]:
    """The verdict of every gate, in the order in which they are declared.

    Args:
        now: the answers of the model that is judged.
        baseline: earlier answers to the same items (`harness.regression.baseline_file.comparable` has been asked);
            ``None`` where there are none: gates that need them are then ``unknown``.
        today: for the expiry of known failures.
        why_not: why there is no baseline, for the message.

    Raises:
        InputError: a gate names a metric, category, skill or task that is not there; names the nearest.
    """
    raise NotImplementedError
