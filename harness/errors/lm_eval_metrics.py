"""Error categories as lm-eval metrics: for a task's ``process_results``, one number a category.

In a task's ``utils.py``::

    def process_results(doc, results):
        correct = float(results[0].strip() == doc["target"])
        errors = classify_response_metrics("helpdesk_json", doc, doc["prompt"], doc["target"], results[0], correct)
        return {"acc": correct, **errors}

Each key needs its entry in the task's ``metric_list``, with ``aggregation: mean`` and ``higher_is_better: false``.

A task with categories of its own (a list ``CLASSIFIERS`` beside this function) hands them over as ``classifiers``;
those that ``harness.yaml`` declares are added to whatever is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harness.config import CONFIG_NAME, load_settings
from harness.errors.contract import Classifier
from harness.errors.registry import BUILTIN, ON_REQUEST, load_classifiers
from harness.errors.taxonomy import classify
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError, did_you_mean

# What a response cannot show inside lm-eval: it hands over no finish reason, one document at a time, and of multiple
# choice the text alone.
_OUT_OF_SIGHT = ("truncated", "inconsistent", "position_bias", "near_miss", "picked_distractor")
METRIC_CATEGORIES: tuple[str, ...] = tuple(name for name in BUILTIN if name not in _OUT_OF_SIGHT)
_DEFAULT = tuple(name for name in METRIC_CATEGORIES if name not in ON_REQUEST)


CONFIG_VARIABLE = "HARNESS_CONFIG"
"""Environment variable with the path of a ``harness.yaml``; without it the one in the current folder counts."""


@cache
def _builtin(names: tuple[str, ...]) -> tuple[Classifier, ...]:
    return load_classifiers(names)


@cache
def _declared(path: Path) -> tuple[Classifier, ...]:
    from harness.errors.custom import custom_classifiers

    return custom_classifiers(load_settings(path, {}).classifiers.custom)


def _of_the_config() -> tuple[Classifier, ...]:
    given = os.environ.get(CONFIG_VARIABLE)
    path = Path(given or CONFIG_NAME).absolute()
    return _declared(path) if given or path.is_file() else ()


def classify_response_metrics(
    task: str,
    doc: Mapping[str, Any],
    prompt: str,
    target: str,
    response: str,
    correct: float,
    *,
    categories: Sequence[str] | None = None,
    classifiers: Sequence[object] = (),
) -> dict[str, float]:
    """The error categories seen in one response, as numbers that lm-eval can average.

    Args:
        task: lm-eval task name.
        doc: the document; its ``expects`` says what a right answer looks like.
        prompt: the user's turn.
        target: the gold answer.
        response: the model's text after the task's filters.
        correct: the task's own metric, 0 to 1.
        categories: which of `METRIC_CATEGORIES` to look for; where left out, all but those that run on request.
        classifiers: the task's own, what its ``utils.py`` lists as ``CLASSIFIERS``.

    Returns:
        ``err_<category>`` for each of ``categories``, of the task's own and of those that ``harness.yaml`` declares,
        always all of them: 1.0 where the category was seen, 0.0 where it was not or could not be judged (a mean has
        no third value; saved responses keep the two apart).

    Raises:
        InputError: an unknown category, or a category of one's own that cannot be used.
    """
    names = _DEFAULT if categories is None else tuple(categories)
    for name in names:
        if name not in METRIC_CATEGORIES:
            raise InputError(f"no metric for the category '{name}'.{did_you_mean(name, METRIC_CATEGORIES)}")
    own = _of_the_config()
    if classifiers:
        from harness.errors.custom import as_classifiers

        own = (*as_classifiers(list(classifiers), task), *own)
    item = ItemResult(
        item_id="", task=task, skill=str(doc.get("skill") or task), cluster="", doc=doc, prompt=prompt, target=target,
        response=response, correct=float(correct),
    )  # fmt: skip
    seen = {label.category for label in classify(item, (*_builtin(names), *own)).labels}
    known = dict.fromkeys((*names, *(category for each in own for category in each.categories)))
    return {f"err_{category}": float(category in seen) for category in known}
