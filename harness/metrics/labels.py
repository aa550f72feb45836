"""Classification skills: which label a response names, the confusion matrix, macro precision, recall and F1."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.metrics.values import MetricValue, corpus_figures

if TYPE_CHECKING:
    import numpy as np

NO_LABEL = ""
"""Stands for a response that names none of the labels. It is no class: it counts against the gold label's recall."""
NAMES = ("macro_precision", "macro_recall", "macro_f1")


def named_label(response: str, labels: Sequence[str]) -> str:
    """The one of ``labels`` that ``response`` is, case, outer spaces and a closing full stop apart; else `NO_LABEL`."""
    return _by_bare(tuple(labels)).get(_bare(response), NO_LABEL)


@functools.lru_cache(maxsize=16)  # the items of a skill list the same labels
def _by_bare(labels: tuple[str, ...]) -> dict[str, str]:
    return {_bare(label): label for label in labels}


def _bare(text: str) -> str:
    return text.strip().casefold().removesuffix(".").rstrip()


@dataclass(frozen=True)
class Confusion:
    """How often each label was answered for each gold label.

    Attributes:
        labels: those that occur as gold or as answer, in the order in which the items list them.
        counts: gold label -> answered label (`NO_LABEL` included) -> items, where there are any.
    """

    labels: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]

    def as_dict(self) -> dict[str, Any]:
        """As it stands in ``summary.json``."""
        return {"labels": list(self.labels), "counts": {gold: dict(row) for gold, row in self.counts.items()}}


def confusion(gold: Sequence[str], answered: Sequence[str], labels: Sequence[str]) -> Confusion:
    """The confusion matrix of ``answered`` against ``gold``, both of shape (n,) and out of ``labels``."""
    counts: dict[str, dict[str, int]] = {}
    for wanted, named in zip(gold, answered, strict=True):
        row = counts.setdefault(wanted, {})
        row[named] = row.get(named, 0) + 1
    seen = {*gold, *answered}
    order = tuple(label for label in labels if label in seen)
    columns = (*order, NO_LABEL)
    return Confusion(order, {g: {c: counts[g][c] for c in columns if c in counts[g]} for g in order if g in counts})


def macro(gold: Sequence[str], answered: Sequence[str], clusters: Sequence[str]) -> list[MetricValue]:
    """Macro precision, recall and F1 with bootstrapped standard errors: unweighted means over labels.

    Every label that occurs as gold or as answer counts; where none of its items or answers is there, its precision,
    recall or F1 is 0 (scikit-learn's ``average="macro"``, ``zero_division=0``, over these labels).

    Args:
        gold, answered: shape (n,); ``answered`` may hold `NO_LABEL`.
        clusters: shape (n,).
    """
    return corpus_figures(NAMES, _counts(list(zip(gold, answered, strict=True))), clusters, _macro)


def macro_figures(pairs: Sequence[tuple[str, str]]) -> tuple[float, float, float]:
    """Macro precision, recall and F1 of (gold, answered) labels, at least one, without their errors."""
    import numpy as np

    precision, recall, both = _macro(np.asarray(_counts(pairs), dtype=np.float64).sum(axis=0, keepdims=True))
    return float(precision[0]), float(recall[0]), float(both[0])


def _counts(pairs: Sequence[tuple[str, str]]) -> list[list[int]]:
    """What each item adds to every class's right, gold and answered ones: shape (n, 3 classes)."""
    classes = [label for label in dict.fromkeys(label for pair in pairs for label in pair) if label != NO_LABEL]
    place = {label: index for index, label in enumerate(classes)}
    counts = []
    for wanted, named in pairs:
        row = [0] * (3 * len(classes))
        row[len(classes) + place[wanted]] = 1
        if named != NO_LABEL:
            row[2 * len(classes) + place[named]] = 1
            row[place[named]] = int(wanted == named)
        counts.append(row)
    return counts


def _macro(sums: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], ...]:
    """Macro precision, recall and F1 from sums of shape (m, 3 classes), m each; a class in no item is left out."""
    import numpy as np

    right, gold, answered = np.split(sums, 3, axis=1)
    there = (gold + answered) > 0

    def mean(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        means: np.ndarray[Any, Any] = (values * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        return means

    return (
        mean(right / np.maximum(answered, 1)),
        mean(right / np.maximum(gold, 1)),
        mean(2 * right / np.maximum(gold + answered, 1)),
    )
