"""empty: the response holds nothing that a reader could see."""

from __future__ import annotations

from harness.errors.contract import ErrorLabel
from harness.errors.text import visible_span
from harness.evaluation.items import ItemResult


class Empty:
    """Sees responses of nothing but spaces, controls and invisible marks, unless the task counts that as right."""

    name = "empty"
    version = "1"
    categories: tuple[str, ...] = ("empty",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label with confidence 1 and no span: there is no place where nothing stands."""
        if item.correct >= 1.0 or visible_span(item.response) is not None:
            return []
        reason = "no text" if not item.response else f"only invisible characters ({len(item.response)})"
        return [ErrorLabel("empty", 1.0, None, reason)]
