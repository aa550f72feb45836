"""What a scored answer was: the ending that was picked, where the gold one stands, how far it fell short.

These figures lie beside the task's own metrics under names that begin with `PREFIX`; they are no scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

PREFIX = "choice_"
OPTIONS, PICKED, GOLD, GOLDS, SHORT = (f"{PREFIX}{name}" for name in ("options", "picked", "gold", "golds", "short"))
"""Number of endings; place of the picked one, from 0; place of the likeliest gold one; number of gold ones; nats by
which that gold ending's log-likelihood falls short of being picked, 0 where it was."""
GREEDY = f"{PREFIX}greedy"
"""Of a gold continuation that was scored with no other beside it: 1 where greedy decoding would have given it, else 0.
The response is then empty, as nobody knows what would have been said."""


def unsaid(metrics: Mapping[str, float]) -> bool:
    """Whether an item with ``metrics`` has no response because none was asked for: nothing follows from its text."""
    return metrics.get(GREEDY) == 0


def _length(ending: str, metric: str) -> int:
    """What lm-eval divides an ending's log-likelihood by (``ConfigurableTask.process_results``); an empty one by 1."""
    if metric == "acc_norm":
        return max(1, len(ending))
    return max(1, len(ending.encode())) if metric == "acc_bytes" else 1


def gold_places(task: Any, doc: Mapping[str, Any], choices: Sequence[str]) -> list[int]:
    """Places of the right endings, as lm-eval reads a multiple-choice target; empty where it names none."""
    target = task.doc_to_target(doc)
    found = []
    for each in target if isinstance(target, list) else [target]:
        if isinstance(each, str) and each in choices:
            found.append(choices.index(each))
        elif not isinstance(each, str) and 0 <= int(each) < len(choices):
            found.append(int(each))
    return found


def picked(logprobs: Sequence[float], choices: Sequence[str], metric: str) -> int:
    """Place of the ending that ``metric`` (``acc``, ``acc_norm``, ...) takes as the answer; the first of equals."""
    scores = _scores(logprobs, choices, metric)
    return scores.index(max(scores))


def choice_figures(
    task: Any, doc: Mapping[str, Any], logprobs: Sequence[float], choices: Sequence[str], metric: str
) -> dict[str, float]:
    """`OPTIONS`, `PICKED` and, where the document names a gold ending, `GOLD`, `GOLDS` and `SHORT`.

    Args:
        logprobs: of the endings, in nats, in the order of ``choices``.
        metric: the task's main metric, which says how length counts.
    """
    scores, best = _scores(logprobs, choices, metric), picked(logprobs, choices, metric)
    figures = {OPTIONS: float(len(choices)), PICKED: float(best)}
    golds = gold_places(task, doc, choices)
    if golds:
        gold = best if best in golds else max(golds, key=lambda place: scores[place])
        short = 0.0 if gold == best else (scores[best] - scores[gold]) * _length(choices[gold], metric)
        figures |= {GOLD: float(gold), GOLDS: float(len(golds))}
        if math.isfinite(short):
            figures[SHORT] = short
    return figures


def _scores(logprobs: Sequence[float], choices: Sequence[str], metric: str) -> list[float]:
    return [value / _length(choice, metric) for value, choice in zip(logprobs, choices, strict=True)]
