"""From what the classifiers see to one record a response: all labels, and the one category that counts."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

from harness.errors.builtin.wrong_answer import WrongAnswer
from harness.errors.contract import Classifier, ErrorLabel, ErrorRecord, not_assessed
from harness.errors.registry import load_classifiers
from harness.evaluation.items import ItemResult

logger = logging.getLogger(__name__)

# Causes before symptoms: each category stands before those that it brings about.
PRECEDENCE: tuple[str, ...] = (
    "empty",  # nothing else can be said of it
    "toxic",  # harm counts before everything that is only wrong
    "repetitive",  # a loop is too long, cut off and out of form as a consequence
    "leaked_prompt",  # behind the markup stands another turn: too long, out of form, not an answer
    "copied_prompt",  # the question given back has every fault that the question would have as an answer
    "wrong_language",  # a text in another language has no right spelling, grammar or words
    "needless_refusal",  # whether to answer is decided before how: a refusal is not JSON, and need not be
    "missed_refusal",  # an answer that should not be there has no right form or length
    "invalid_format",  # prose in place of JSON is too long because it is prose
    "ignored_constraint",  # what the item declares beyond its form; a declared length before a presumed one
    "too_long",  # running on is what reaches the token limit
    "truncated",  # cut although form and length were on course
    "misspelled",  # the facts are right as far as can be seen, the words are not
    "ungrammatical",  # a misspelled word breaks a sentence, seldom the reverse
    "wrong_answer",  # well-formed, of the right length, and wrong: what is left
)
DOUBTFUL = 0.5  # a label below this confidence is recorded but does not become primary


def _rank(category: str) -> int:
    """Place in `PRECEDENCE`; a category of someone else's stands just before ``wrong_answer``, being more specific."""
    return PRECEDENCE.index(category) if category in PRECEDENCE else PRECEDENCE.index("wrong_answer")


def _order(label: ErrorLabel) -> tuple[int, bool, str, int, int, float, str]:
    start, end = label.span or (-1, -1)
    theirs_first = label.category in PRECEDENCE
    return _rank(label.category), theirs_first, label.category, start, end, -label.confidence, label.reason


def _checked(labels: object, classifier: Classifier, item: ItemResult) -> list[ErrorLabel]:
    """``labels`` as they are, if they keep the contract; a plugin's slip must not reach the diagnosis.

    Raises:
        TypeError: not a list of labels.
        ValueError: a category that was not declared, a confidence outside 0 to 1, a span outside the response.
    """
    if not isinstance(labels, list | tuple) or not all(isinstance(label, ErrorLabel) for label in labels):
        raise TypeError(f"expected a list of ErrorLabel, got {type(labels).__name__}")
    for label in labels:
        if label.category not in classifier.categories:
            raise ValueError(f"category {label.category!r} is not among {classifier.categories}")
        if not (math.isfinite(label.confidence) and 0.0 <= label.confidence <= 1.0):
            raise ValueError(f"confidence {label.confidence} is not between 0 and 1")
        if label.span is not None and not 0 <= label.span[0] <= label.span[1] <= len(item.response):
            raise ValueError(f"span {label.span} is outside the response of {len(item.response)} characters")
    return list(labels)


def _run(classifier: Classifier, item: ItemResult) -> list[ErrorLabel]:
    try:
        return _checked(classifier.classify(item), classifier, item)
    except Exception as error:
        # The exception's name alone is recorded: a message can hold addresses, and a record is the same in each run.
        logger.debug("classifier '%s' raised on item %s", classifier.name, item.item_id, exc_info=True)
        reason = f"classifier '{classifier.name}' raised {type(error).__name__}"
        return [not_assessed(category, reason) for category in classifier.categories]


def classify(item: ItemResult, classifiers: Sequence[Classifier]) -> ErrorRecord:
    """Run ``classifiers`` over one response.

    A classifier that raises, or answers outside its contract, is recorded as not assessed with the exception's name.
    A category counts as not assessed only where no classifier of it could judge.

    Returns:
        The labels in order of `PRECEDENCE`. ``primary`` is ``None`` for a right response (``correct`` at least 1),
        else the first label's category whose confidence is not below `DOUBTFUL`; ``wrong_answer`` at least.
    """
    labels: list[ErrorLabel] = []
    judged: set[str] = set()
    reasons: dict[str, str] = {}
    for classifier in classifiers:
        answers = _run(classifier, item)
        unable = {answer.category for answer in answers if not answer.assessed}
        judged.update(category for category in classifier.categories if category not in unable)
        for answer in answers:
            if answer.assessed:
                labels.append(answer)
            else:
                reasons.setdefault(answer.category, answer.reason)
    wrong = not item.correct >= 1.0  # not "< 1.0": what is not a number is not right
    if wrong and not any(label.category == "wrong_answer" for label in labels):
        labels += WrongAnswer().classify(item)
        judged.add("wrong_answer")
    labels.sort(key=_order)
    missing = sorted(set(reasons) - judged, key=lambda category: (_rank(category), category))
    primary = next((label.category for label in labels if label.confidence >= DOUBTFUL), "wrong_answer")
    return ErrorRecord(
        item_id=item.item_id,
        primary=primary if wrong else None,
        labels=tuple(labels),
        not_assessed=tuple(missing),
        reasons=tuple(reasons[category] for category in missing),
    )


def classify_all(items: Sequence[ItemResult], classifiers: Sequence[Classifier] | None = None) -> list[ErrorRecord]:
    """`classify` for each of ``items``, in their order; by default with every classifier that is installed.

    Raises:
        InputError: two installed classifiers share a name (only where ``classifiers`` is left out).
    """
    chosen = load_classifiers() if classifiers is None else classifiers
    return [classify(item, chosen) for item in items]
