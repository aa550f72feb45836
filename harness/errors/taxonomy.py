"""From what the classifiers see to one record a response: all labels, and the one category that counts."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.errors.builtin.wrong_answer import WrongAnswer
from harness.errors.contract import Classifier, ErrorLabel, ErrorRecord, GroupClassifier, not_assessed
from harness.errors.registry import BUILTIN, load_classifiers
from harness.evaluation.choices import unsaid
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
    "unsupported_answer",  # the same, for a question that the context does not answer
    "malformed_call",  # no call to be judged by its tool and arguments; says more than that the form is wrong
    "invalid_format",  # prose in place of JSON is too long because it is prose
    "ignored_constraint",  # what the item declares beyond its form; a declared length before a presumed one
    "too_long",  # running on is what reaches the token limit
    "truncated",  # cut although form and length were on course
    "wrong_tool",  # the arguments of another tool are other ones
    "wrong_argument",  # the right tool, called with something else
    "hallucinated",  # well-formed, of the right length, and made up
    "misspelled",  # the facts are right as far as can be seen, the words are not
    "ungrammatical",  # a misspelled word breaks a sentence, seldom the reverse
    "inconsistent",  # no fault of its own to be seen, but asked otherwise it answers otherwise
    "position_bias",  # the place was picked, not the ending: how near it came says nothing then
    "near_miss",  # the right ending was all but picked
    "picked_distractor",  # a wrong ending was clearly preferred: what is left of multiple choice
    "wrong_answer",  # well-formed, of the right length, and wrong: what is left
)
DOUBTFUL = 0.5  # a label below this confidence is recorded but does not become primary


def _ranks(precedence: Sequence[str]) -> dict[str, int]:
    return {category: place for place, category in enumerate(precedence)}


def _rank(category: str, ranks: Mapping[str, int]) -> int:
    """Place in the precedence; a category of someone else's stands just before ``wrong_answer``: more specific."""
    return ranks.get(category, ranks.get("wrong_answer", len(ranks)))


Known = dict[tuple[Any, ...], ErrorRecord]
"""Records by all that they depend on."""


def _order(label: ErrorLabel, ranks: Mapping[str, int]) -> tuple[int, bool, str, int, int, float, str]:
    start, end = label.span or (-1, -1)
    theirs_first = label.category in ranks
    return _rank(label.category, ranks), theirs_first, label.category, start, end, -label.confidence, label.reason


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


def _failed(classifier: Classifier, error: Exception, where: str) -> list[ErrorLabel]:
    # The exception's name alone is recorded: a message can hold addresses, and a record is the same in each run.
    logger.debug("classifier '%s' raised on %s", classifier.name, where, exc_info=True)
    reason = f"classifier '{classifier.name}' raised {type(error).__name__}"
    return [not_assessed(category, reason) for category in classifier.categories]


def _judged(labels: object, classifier: Classifier, item: ItemResult) -> list[ErrorLabel]:
    """``labels``, checked; NOT_ASSESSED where there is no text. Classifiers of others may have other grounds."""
    if unsaid(item.metrics) and classifier.name in BUILTIN and classifier.name != WrongAnswer.name:
        return [
            not_assessed(category, "a continuation was scored, no answer asked for")
            for category in classifier.categories
        ]
    return _checked(labels, classifier, item)


def _run(classifier: Classifier, item: ItemResult) -> list[ErrorLabel]:
    try:
        return _judged(classifier.classify(item), classifier, item)
    except Exception as error:
        return _failed(classifier, error, f"item {item.item_id}")


def _run_group(classifier: GroupClassifier, items: Sequence[ItemResult]) -> list[list[ErrorLabel]]:
    """The labels of each item. What is wrong with one item's labels is held against that item alone."""
    try:
        answers: object = classifier.classify_group(items)
        if not isinstance(answers, list | tuple):
            raise TypeError(f"expected a list of lists of ErrorLabel, got {type(answers).__name__}")
        if len(answers) != len(items):
            raise ValueError(f"expected the labels of {len(items)} items, got {len(answers)}")
    except Exception as error:
        return [_failed(classifier, error, f"a group of {len(items)} items") for _ in items]
    checked = []
    for labels, item in zip(answers, items, strict=True):
        try:
            checked.append(_judged(labels, classifier, item))
        except Exception as error:
            checked.append(_failed(classifier, error, f"item {item.item_id}"))
    return checked


def classify(
    item: ItemResult, classifiers: Sequence[Classifier], precedence: Sequence[str] = PRECEDENCE
) -> ErrorRecord:
    """Run ``classifiers`` over one response.

    A classifier that raises, or answers outside its contract, is recorded as not assessed with the exception's name.
    A category counts as not assessed only where no classifier of it could judge.

    Args:
        item: the scored response.
        classifiers: in any order; the labels do not depend on it.
        precedence: categories, the one that counts first; others stand just before its ``wrong_answer``.

    Returns:
        The labels in order of ``precedence``. ``primary`` is ``None`` for a right response (``correct`` at least 1),
        else the first label's category whose confidence is not below `DOUBTFUL`; ``wrong_answer`` at least.
    """
    return _record(item, [(each, _run(each, item)) for each in classifiers], _ranks(precedence))


def _record(
    item: ItemResult, answered: Iterable[tuple[Classifier, list[ErrorLabel]]], ranks: Mapping[str, int]
) -> ErrorRecord:
    labels: list[ErrorLabel] = []
    judged: set[str] = set()
    reasons: dict[str, str] = {}
    for classifier, answers in answered:
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
    labels.sort(key=lambda label: _order(label, ranks))
    missing = sorted(set(reasons) - judged, key=lambda category: (_rank(category, ranks), category))
    primary = next((label.category for label in labels if label.confidence >= DOUBTFUL), "wrong_answer")
    return ErrorRecord(
        item_id=item.item_id,
        primary=primary if wrong else None,
        labels=tuple(labels),
        not_assessed=tuple(missing),
        reasons=tuple(reasons[category] for category in missing),
    )


def classify_all(
    items: Sequence[ItemResult],
    classifiers: Sequence[Classifier] | None = None,
    precedence: Sequence[str] = PRECEDENCE,
    known: Known | None = None,
) -> list[ErrorRecord]:
    """`classify` for each of ``items``, in their order; by default with every classifier that is installed.

    Classifiers of several items (`GroupClassifier`) see all of ``items`` at once: they should be the answers of one
    model, such as one evaluation's.

    Args:
        known: records of earlier calls with the same classifiers and precedence, which this one adds to: the same
            response to the same item is judged once.

    Raises:
        InputError: two installed classifiers share a name (only where ``classifiers`` is left out).
    """
    chosen = load_classifiers() if classifiers is None else classifiers
    grouped = {place: _run_group(each, items) for place, each in enumerate(chosen) if isinstance(each, GroupClassifier)}
    ranks = _ranks(precedence)
    known = {} if known is None else known
    records = []
    for number, item in enumerate(items):
        content = (item.item_id, item.response, item.finish_reason, item.correct, item.prompt, item.target)
        key = (*content, *item.metrics.items(), *(tuple(labels[number]) for labels in grouped.values()))
        if key not in known:
            answers = [
                (each, grouped[place][number] if place in grouped else _run(each, item))
                for place, each in enumerate(chosen)
            ]
            known[key] = _record(item, answers, ranks)
        records.append(known[key])
    return records
