"""One scored response, for the tests of the error classifiers."""

from __future__ import annotations

from typing import Any

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
