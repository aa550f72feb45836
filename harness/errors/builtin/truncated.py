"""truncated: generation stopped at the token limit, not because the answer was finished."""

from __future__ import annotations

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.text import visible_span
from harness.evaluation.items import ItemResult

_CLOSING = frozenset(".!?)]}\"'`\u2026\u3002\uff01\uff1f\u201d\u2019")
TAIL = 20  # characters of the end that are shown as evidence


class Truncated:
    """Sees responses whose ``finish_reason`` is ``length``; cannot judge where the reason is unknown."""

    name = "truncated"
    version = "1"
    categories: tuple[str, ...] = ("truncated",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label over the response's last characters; confidence .6 where the end looks like a finished one."""
        if item.finish_reason == "unknown":
            return [not_assessed("truncated", "the finish reason is unknown")]
        if item.finish_reason != "length":
            return []
        visible = visible_span(item.response)
        if visible is None:
            return [ErrorLabel("truncated", 1.0, None, "stopped at the token limit without any visible text")]
        start, end = visible
        finished = item.correct >= 1.0 or item.response[end - 1] in _CLOSING
        reason = "stopped at the token limit" + (", though the end looks finished" if finished else "")
        return [ErrorLabel("truncated", 0.6 if finished else 1.0, (max(start, end - TAIL), end), reason)]
