"""too_long: more words than the item allows, or far more than its target has."""

from __future__ import annotations

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.text import count_words, end_of_words, visible_span
from harness.evaluation.items import ItemResult

TIMES_TARGET = 3  # without a declared limit: above three times the target's words ...
MORE_THAN_TARGET = 12  # ... and at least 12 words more, so that a sentence round a one-word target is not "too long"


class TooLong:
    """Sees responses above the declared ``max_words``, else far above the target's own length."""

    name = "too_long"
    version = "1"
    categories: tuple[str, ...] = ("too_long",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label whose span is the part beyond the limit. A response no longer than its target is never too long."""
        declared = item.expectation.max_words
        if declared is None and visible_span(item.target) is None:
            return [not_assessed("too_long", "neither max_words nor a target to measure against")]
        target = count_words(item.target)
        if declared is None:
            limit = max(TIMES_TARGET * target, target + MORE_THAN_TARGET - 1)
            said = f"{limit} words, from a target of {target}"
        else:
            limit = max(declared, target)
            said = f"max_words {declared}" if limit == declared else f"the target's own {target} words"
        start = end_of_words(item.response, limit)
        if start is None:
            return []
        # Declared limits are facts; the relative rule is a judgement.
        confidence = 1.0 if declared is not None else 0.8
        return [ErrorLabel("too_long", confidence, (start, len(item.response)), f"goes on beyond {said}")]
