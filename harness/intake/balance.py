"""How many rows each label has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.intake.example import Example
from harness.intake.fields import fold_label


@dataclass(frozen=True)
class Balance:
    """Classes of a classification, under the label as it is written most often.

    Attributes:
        counts: examples by label, most frequent first.
        examples: of all labels.
        rare: labels with a single example.
    """

    counts: Mapping[str, int]
    examples: int
    rare: tuple[str, ...]

    @property
    def majority(self) -> float:
        """Share of the most frequent label, 0 to 1: what a model scores that always gives it."""
        return max(self.counts.values()) / self.examples


def class_balance(examples: Sequence[Example]) -> Balance | None:
    """Count the labels; ``None`` where the answers are not labels."""
    labels = [example.answer for example in examples if example.label and example.answer.strip()]
    if not labels:
        return None
    written = Counter(labels)
    spelled: dict[str, str] = {}
    for label, _ in written.most_common():
        spelled.setdefault(fold_label(label), label)
    counts = Counter(spelled[fold_label(label)] for label in labels)
    ranked = dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return Balance(ranked, len(labels), tuple(label for label, count in ranked.items() if count < 2))
