"""wrong_answer: the task's own metric says that the response is not right."""

from __future__ import annotations

from harness.errors.contract import ErrorLabel
from harness.errors.text import quote
from harness.evaluation.items import ItemResult


class WrongAnswer:
    """Sees every response that is not wholly right; the category that remains when no other explains the failure."""

    name = "wrong_answer"
    version = "1"
    categories: tuple[str, ...] = ("wrong_answer",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label with confidence 1 where ``item.correct`` is below 1; not a number counts as below."""
        if item.correct >= 1.0:
            return []
        return [ErrorLabel("wrong_answer", 1.0, None, f"scored {item.correct:g}, expected {quote(item.target)}")]
