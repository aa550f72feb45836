"""ignored_constraint: the response breaks what its item declares about length, sentences, words or capitals."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.text import count_words, end_of_words, quote, sentence_spans, visible_span
from harness.evaluation.items import ItemResult

HEAD = 20_000  # characters in which capitals are looked at
_TITLE_WORDS = 4  # words of a sentence, the first aside, of which more than half must be capitalised to be a title
_WORD_START = re.compile(r"(?<![\w'\u2019])[^\W\d_]")


@dataclass(frozen=True)
class _Fault:
    span: tuple[int, int] | None
    reason: str


class IgnoredConstraint:
    """Checks ``expects.constraints``: ``min_words``, ``max_words``, ``min_sentences``, ``max_sentences``,
    ``max_chars`` (numbers), ``must_contain``, ``must_not_contain`` (lists of text) and ``casing`` (``lower``,
    ``upper`` or ``sentence``).
    """

    name = "ignored_constraint"
    version = "1"
    categories: tuple[str, ...] = ("ignored_constraint",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label a broken constraint, each a fact. A constraint that the target breaks too is not assessed."""
        given: object = item.expectation.constraints
        if given is None:
            return [not_assessed("ignored_constraint", "the item declares no constraints")]
        if not isinstance(given, Mapping):
            return [not_assessed("ignored_constraint", "the constraints are no object")]
        # Rows of one data set share their columns, so what a row does not declare may be there as null.
        declared = {name: value for name, value in given.items() if value is not None}
        if not declared:
            return [not_assessed("ignored_constraint", "the item declares no constraints")]
        labels: list[ErrorLabel] = []
        unclear: list[str] = []
        for name, value in sorted(declared.items()):
            check = _CHECKS.get(name)
            faults = None if check is None else check(item.response, value)
            if faults is None:
                unclear.append(f"{quote(str(name))}: {quote(str(value))} is no constraint")
                continue
            if faults and visible_span(item.target) is not None and check is not None and check(item.target, value):
                unclear.append(f"the target itself breaks {name}")
                continue
            labels += [ErrorLabel("ignored_constraint", 1.0, fault.span, f"{name}: {fault.reason}") for fault in faults]
        if labels or not unclear:
            return labels
        return [not_assessed("ignored_constraint", "; ".join(unclear))]


_Check = Callable[[str, Any], list[_Fault] | None]


def _number(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():  # a column of numbers and nulls may come back as floats
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _texts(value: object) -> list[str] | None:
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        return None
    return [each for each in value if each.strip()]


def _at_least(count: Callable[[str], int], what: str) -> _Check:
    def check(text: str, value: Any) -> list[_Fault] | None:
        least = _number(value)
        if least is None:
            return None
        found = count(text)
        return [_Fault(visible_span(text), f"{found} {what}, at least {least} asked for")] if found < least else []

    return check


def _max_words(text: str, value: Any) -> list[_Fault] | None:
    most = _number(value)
    if most is None:
        return None
    end = end_of_words(text, max(0, most))
    return [] if end is None else [_Fault((end, len(text)), f"goes on beyond {most} words")]


def _max_sentences(text: str, value: Any) -> list[_Fault] | None:
    most = _number(value)
    if most is None:
        return None
    found = sentence_spans(text)
    if len(found) <= most:
        return []
    return [_Fault((found[max(0, most)][0], found[-1][1]), f"{len(found)} sentences, at most {most} asked for")]


def _max_chars(text: str, value: Any) -> list[_Fault] | None:
    most = _number(value)
    if most is None:
        return None
    visible = visible_span(text)
    if visible is None or visible[1] - visible[0] <= most:
        return []
    size = visible[1] - visible[0]
    return [_Fault((visible[0] + max(0, most), visible[1]), f"{size} characters, at most {most} asked for")]


def _find(text: str, words: str) -> tuple[int, int] | None:
    """Where ``words`` stand as whole words, in any case and with any spaces between them; a mark stands anywhere."""
    parts = words.split()
    before = r"(?<!\w)" if parts[0][0].isalnum() else ""
    after = r"(?!\w)" if parts[-1][-1].isalnum() else ""
    match = re.search(before + r"\s+".join(re.escape(part) for part in parts) + after, text, re.IGNORECASE)
    return match.span() if match else None


def _must_contain(text: str, value: Any) -> list[_Fault] | None:
    wanted = _texts(value)
    if wanted is None:
        return None
    squeezed = " ".join(text.casefold().split())
    missing = [each for each in wanted if " ".join(each.casefold().split()) not in squeezed]
    return [_Fault(visible_span(text), f"{quote(each)} is not there") for each in missing]


def _must_not_contain(text: str, value: Any) -> list[_Fault] | None:
    unwanted = _texts(value)
    if unwanted is None:
        return None
    found = [(each, span) for each in unwanted if (span := _find(text, each)) is not None]
    return [_Fault(span, f"{quote(each)} is there") for each, span in found]


def _casing(text: str, value: Any) -> list[_Fault] | None:
    text = text[:HEAD]
    if value == "lower":
        match = next((each for each in re.finditer(r"[^\W\d_]", text) if each.group().isupper()), None)
        return [] if match is None else [_Fault(match.span(), f"capital {quote(match.group())}")]
    if value == "upper":
        match = next((each for each in re.finditer(r"[^\W\d_]", text) if each.group().islower()), None)
        return [] if match is None else [_Fault(match.span(), f"small letter {quote(match.group())}")]
    if value != "sentence":
        return None
    for start, end in sentence_spans(text):
        initials = [match.start() for match in _WORD_START.finditer(text, start, end)]
        if not initials:
            continue
        if text[initials[0]].islower() and not re.search(r"\d", text[start : initials[0]]):
            return [_Fault((initials[0], initials[0] + 1), "a sentence begins with a small letter")]
        letters = [character for character in text[start:end] if character.isalpha()]
        if len(initials) <= _TITLE_WORDS:
            continue
        if not any(character.islower() for character in letters):
            return [_Fault((start, end), "a sentence all in capitals")]
        if 2 * sum(text[place].isupper() for place in initials[1:]) > len(initials) - 1:
            return [_Fault((start, end), "a sentence with most words capitalised")]
    return []


_CHECKS: dict[str, _Check] = {
    "min_words": _at_least(count_words, "words"),
    "max_words": _max_words,
    "min_sentences": _at_least(lambda text: len(sentence_spans(text)), "sentences"),
    "max_sentences": _max_sentences,
    "max_chars": _max_chars,
    "must_contain": _must_contain,
    "must_not_contain": _must_not_contain,
    "casing": _casing,
}
