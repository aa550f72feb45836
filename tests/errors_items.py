"""One scored response, for the tests of the error classifiers, what is said of it, and settings of classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.config import ClassifierSettings, load_settings
from harness.errors import ErrorLabel, load_classifiers
from harness.evaluation.items import FinishReason, ItemResult

SENTENCE = "I can only help with questions about Norrvale products."


def make_item(
    response: str,
    *,
    target: str = "the gold answer",
    correct: float = 0.0,
    finish_reason: FinishReason = "stop",
    prompt: str = "A question.",
    item_id: str = "0123456789abcdef",
    **expects: Any,
) -> ItemResult:
    """An `ItemResult` whose document declares ``expects``."""
    return ItemResult(
        item_id=item_id, task="helpdesk_test", skill="test", cluster="c", doc={"expects": expects}, prompt=prompt,
        target=target, response=response, finish_reason=finish_reason, correct=correct,
    )  # fmt: skip


def labels_of(category: str, item: ItemResult) -> list[ErrorLabel]:
    """What the classifier of ``category`` says of an item."""
    (classifier,) = load_classifiers([category])
    return classifier.classify(item)


def only(category: str, item: ItemResult) -> ErrorLabel:
    """The one label that it gives."""
    (label,) = labels_of(category, item)
    assert label.assessed
    assert label.category == category
    return label


def unassessed(category: str, item: ItemResult) -> bool:
    """Whether it says that it cannot tell, and why."""
    (label,) = labels_of(category, item)
    return not label.assessed and label.confidence == 0.0 and bool(label.reason)


def config(folder: Path, text: str) -> ClassifierSettings:
    """The section ``classifiers`` of a ``harness.yaml`` in ``folder`` that holds ``text``."""
    path = folder / "harness.yaml"
    path.write_text("classifiers:\n" + text)
    return load_settings(path, {}).classifiers
