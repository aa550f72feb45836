"""Error categories as lm-eval metrics: for a task's ``process_results``, one number a category.

In a task's ``utils.py``::

    def process_results(doc, results):
        correct = float(results[0].strip() == doc["target"])
        errors = classify_response_metrics("helpdesk_json", doc, doc["prompt"], doc["target"], results[0], correct)
        return {"acc": correct, **errors}

Each key needs its entry in the task's ``metric_list``, with ``aggregation: mean`` and ``higher_is_better: false``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from harness.errors.contract import Classifier
from harness.errors.registry import BUILTIN, load_classifiers
from harness.errors.taxonomy import classify
from harness.evaluation.items import ItemResult

# No `truncated`: lm-eval hands over no finish reason. Built-in categories only: a task names its metrics beforehand.
METRIC_CATEGORIES: tuple[str, ...] = (
    "wrong_answer",
    "empty",
    "too_long",
    "repetitive",
    "invalid_format",
    "missed_refusal",
    "needless_refusal",
)


@cache
def _builtin() -> tuple[Classifier, ...]:
    return load_classifiers([name for name in BUILTIN if name in METRIC_CATEGORIES])


def classify_response_metrics(
    task: str, doc: Mapping[str, Any], prompt: str, target: str, response: str, correct: float
) -> dict[str, float]:
    """The error categories seen in one response, as numbers that lm-eval can average.

    Args:
        task: lm-eval task name.
        doc: the document; its ``expects`` says what a right answer looks like.
        prompt: the user's turn.
        target: the gold answer.
        response: the model's text after the task's filters.
        correct: the task's own metric, 0 to 1.

    Returns:
        ``err_<category>`` for each of `METRIC_CATEGORIES`, always all of them: 1.0 where the category was seen, 0.0
        where it was not or could not be judged (a mean has no third value; saved responses keep the two apart).
    """
    item = ItemResult(
        item_id="", task=task, skill=task, cluster="", doc=doc, prompt=prompt, target=target, response=response,
        correct=float(correct),
    )  # fmt: skip
    seen = {label.category for label in classify(item, _builtin()).labels}
    return {f"err_{category}": float(category in seen) for category in METRIC_CATEGORIES}
