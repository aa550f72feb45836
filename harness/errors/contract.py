"""What an error classifier is: a function from one scored response to the errors seen in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from harness.evaluation.items import ItemResult


@dataclass(frozen=True)
class ErrorLabel:
    """One error seen in one response.

    Attributes:
        category: how it fails, e.g. ``invalid_format``.
        confidence: 0 to 1.
        span: character range ``[start, end)`` of the evidence in the response; ``None`` where there is no place.
        reason: one line for a human reader.
        assessed: ``False`` means NOT_ASSESSED: the classifier lacked what it needs, so "no error" must not be read
            into it.
    """

    category: str
    confidence: float
    span: tuple[int, int] | None = None
    reason: str = ""
    assessed: bool = True


def not_assessed(category: str, reason: str) -> ErrorLabel:
    """The answer of a classifier that lacks what it needs."""
    return ErrorLabel(category, 0.0, None, reason, assessed=False)


@runtime_checkable
class Classifier(Protocol):
    """Finds one or more error categories in a response.

    Example::

        class Shouting:
            name, version, categories = "shouting", "1", ("shouting",)

            def classify(self, item: ItemResult) -> list[ErrorLabel]:
                if len(item.response) > 5 and item.response.isupper():
                    return [ErrorLabel("shouting", 1.0, (0, len(item.response)), "all capitals")]
                return []

    ``version`` changes whenever the answers may change; it is frozen for a run.
    A classifier is pure: same item, same labels; it reads no file, clock or network while classifying.
    """

    name: str
    version: str
    categories: tuple[str, ...]

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """Return the labels found; empty for "looked, and saw nothing"."""
        ...


@runtime_checkable
class GroupClassifier(Classifier, Protocol):
    """A classifier of what only several items together show, such as answers to paraphrases that differ.

    Where many items are classified, ``classify_group`` is asked once with all of them, in place of ``classify`` for
    each. ``classify`` stays for a single item, and answers NOT_ASSESSED where one item is not enough.

    Example::

        class Contradicting:
            name, version, categories = "contradicting", "1", ("contradicting",)

            def classify(self, item: ItemResult) -> list[ErrorLabel]:
                return [not_assessed("contradicting", "needs the other items")]

            def classify_group(self, items: Sequence[ItemResult]) -> list[list[ErrorLabel]]:
                both = {"yes", "no"} <= {item.response for item in items}
                return [[ErrorLabel("contradicting", 0.5)] if both else [] for _ in items]
    """

    def classify_group(self, items: Sequence[ItemResult]) -> list[list[ErrorLabel]]:
        """Return the labels of each of ``items``, in their order, one list an item; pure as ``classify`` is."""
        ...


@dataclass(frozen=True)
class ErrorRecord:
    """All labels of one response.

    Attributes:
        item_id: the item.
        primary: the category that counts for diagnosis, by documented precedence; ``None`` for a right response.
        labels: every assessed label, in order of precedence.
        not_assessed: categories that could not be judged.
        reasons: why, one line for each of ``not_assessed``, in its order.
    """

    item_id: str
    primary: str | None
    labels: tuple[ErrorLabel, ...]
    not_assessed: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
