"""Which classifiers there are: the built-in ones, and those that other packages bring as entry points.

Built-in classifiers come through the same door as anyone's: a name and ``module:attribute``, imported when asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from harness.errors.contract import Classifier, ErrorLabel, not_assessed
from harness.evaluation.items import ItemResult
from harness.exceptions import InputError, did_you_mean
from harness.plugins import PluginFault, Registry

logger = logging.getLogger(__name__)

GROUP = "harness.classifiers"

BUILTIN: dict[str, str] = {
    "empty": "harness.errors.builtin.empty:Empty",
    "toxic": "harness.errors.builtin.toxic:Toxic",
    "repetitive": "harness.errors.builtin.repetitive:Repetitive",
    "leaked_prompt": "harness.errors.builtin.leaked_prompt:LeakedPrompt",
    "copied_prompt": "harness.errors.builtin.copied_prompt:CopiedPrompt",
    "wrong_language": "harness.errors.builtin.wrong_language:WrongLanguage",
    "needless_refusal": "harness.errors.builtin.refusal:NeedlessRefusal",
    "missed_refusal": "harness.errors.builtin.refusal:MissedRefusal",
    "unsupported_answer": "harness.errors.builtin.refusal:UnsupportedAnswer",
    "malformed_call": "harness.errors.builtin.calls:MalformedCall",
    "invalid_format": "harness.errors.builtin.invalid_format:InvalidFormat",
    "ignored_constraint": "harness.errors.builtin.ignored_constraint:IgnoredConstraint",
    "too_long": "harness.errors.builtin.too_long:TooLong",
    "truncated": "harness.errors.builtin.truncated:Truncated",
    "wrong_tool": "harness.errors.builtin.calls:WrongTool",
    "wrong_argument": "harness.errors.builtin.calls:WrongArgument",
    "hallucinated": "harness.errors.builtin.hallucinated:Hallucinated",
    "misspelled": "harness.errors.builtin.misspelled:Misspelled",
    "ungrammatical": "harness.errors.builtin.ungrammatical:Ungrammatical",
    "inconsistent": "harness.errors.builtin.inconsistent:Inconsistent",
    "position_bias": "harness.errors.builtin.choice:PositionBias",
    "near_miss": "harness.errors.builtin.choice:NearMiss",
    "picked_distractor": "harness.errors.builtin.choice:PickedDistractor",
    "wrong_answer": "harness.errors.builtin.wrong_answer:WrongAnswer",
}

# Built in, but run only where they are asked for by name: slow, or in need of an option that is seldom installed.
ON_REQUEST = frozenset({"toxic", "ungrammatical"})


class Unavailable:
    """Stands in for a classifier that could not be loaded: every item is reported as not assessed, with the reason."""

    version = "unavailable"

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason
        self.categories: tuple[str, ...] = (name,)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label that says NOT_ASSESSED and why."""
        return [not_assessed(self.name, self.reason)]


def load_classifiers(names: Sequence[str] | None = None) -> tuple[Classifier, ...]:
    """Load classifiers, the built-in ones in order of precedence, then plugins by name.

    A plugin that cannot be imported, or is no classifier, is logged as a warning and stands in the result as an
    `Unavailable`, so that it is counted and shown and stops nothing.

    Args:
        names: which ones, in this order, repetitions dropped; where left out, all that are installed except those of
            `ON_REQUEST`.

    Raises:
        InputError: a name that is not known, or two packages that bring the same name.
    """
    known = CLASSIFIERS.unambiguous()
    chosen = [name for name in known if name not in ON_REQUEST] if names is None else list(dict.fromkeys(names))
    for name in chosen:
        if name not in known:
            raise InputError(f"unknown classifier '{name}'.{did_you_mean(name, known)}")
    found: list[Classifier] = []
    for name in chosen:
        try:
            found.append(CLASSIFIERS.load_point(known[name]))
        except PluginFault as fault:
            logger.warning("%s", fault)
            found.append(Unavailable(name, str(fault)))
    return tuple(found)


def classifier_names() -> tuple[str, ...]:
    """Names of the classifiers that are installed, without loading any.

    Raises:
        InputError: two packages bring the same name.
    """
    return tuple(CLASSIFIERS.unambiguous())


def as_classifier(candidate: object, name: str) -> Classifier:
    """``candidate`` if it keeps the contract.

    Raises:
        TypeError: an attribute is missing or of the wrong type, or its name is not the entry point's.
    """
    if not isinstance(candidate, Classifier):
        raise TypeError("it needs the attributes name, version and categories and a method classify(item)")
    if candidate.name != name:
        raise TypeError(f"its name is {candidate.name!r}, its entry point is called {name!r}")
    if not isinstance(candidate.version, str):
        raise TypeError("its version must be a string")
    categories: object = candidate.categories
    if not isinstance(categories, tuple) or not categories or not all(isinstance(each, str) for each in categories):
        raise TypeError("its categories must be a tuple of at least one string")
    return candidate


def _made(loaded: object, name: str) -> Classifier:
    return as_classifier(loaded() if isinstance(loaded, type) else loaded, name)


CLASSIFIERS = Registry("classifier", GROUP, BUILTIN, _made)
