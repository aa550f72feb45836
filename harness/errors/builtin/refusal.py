"""missed_refusal, unsupported_answer and needless_refusal: a refusal that is due and not given, or given and not due.

A refusal is the skill's own sentence, found fuzzily, or one of the turns of phrase by which models decline.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from difflib import SequenceMatcher

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.text import WORD, quote, visible_span
from harness.evaluation.items import ItemResult

SIMILARITY = 0.83  # of the word sequences, 0 to 1: about one word in six may differ
HEAD = 10_000  # characters in which the skill's sentence is looked for
SENTENCE_WORDS = 200  # comparing sequences takes the square of this
GENERIC_HEAD = 200  # characters in which a generic refusal must begin: later on, "I can't" is part of an answer
GENERIC_CONFIDENCE = 0.6

# Without these a refusal turns into its opposite ("I can only help with ..." / "I can help with ...").
_PIVOTS = frozenset({"not", "no", "never", "only", "cannot", "unable", "outside", "nothing", "neither", "without"})

_NOT = r"(?:cannot|can['\u2019]t|can\s+not|won['\u2019]t|will\s+not|(?:not\s+able|unable)\s+to)"
_I = r"\bI(?:['\u2019]m|\s+am)?\s+(?:currently\s+)?"
_GENERIC = re.compile(
    "|".join(
        (
            rf"\b(?:sorry|apologi[sz]e|apologies)\b[^.!?\n]{{0,40}}?{_I}{_NOT}",
            rf"{_I}(?:{_NOT}|do\s+not|don['\u2019]t)\s+"
            r"(?:help(?!\s+but\b)|assist|answer|comply|discuss|respond|fulfil|provide|engage|advise|do\s+that|do\s+this|know\b(?!\s+what\b)"
            r"|have\s+(?:that|this|the|any|enough|access|information|knowledge))",
            rf"{_I}(?:only\s+able\s+to|not\s+(?:allowed|permitted|qualified)\b)",
            r"\bI\s+can\s+only\s+(?:help|assist|answer|discuss)",
            rf"\bwe(?:['\u2019]re|\s+are)?\s+(?:currently\s+)?{_NOT}\s+(?:help|assist|answer)\b",
            rf"\bas\s+an?\s+(?:AI|artificial\s+intelligence|(?:large\s+)?language\s+model)\b[^.!?\n]{{0,30}}?"
            rf"{_I}(?:{_NOT}|do\s+not|don['\u2019]t)\b",
            r"\b(?:passage|policy|text|document|context|article|information)\s+(?:provided\s+|given\s+)?"
            r"(?:does\s+not|doesn['\u2019]t)\s+(?:say|state|mention|specify|contain|provide|give)\b",
            r"\b(?:is\s+not|isn['\u2019]t|are\s+not|aren['\u2019]t)\s+(?:stated|mentioned|specified|answerable)\b",
            r"\b(?:cannot|can['\u2019]t)\s+be\s+(?:answered|determined)\b",
            r"\b(?:outside|beyond)\s+(?:of\s+)?my\s+(?:scope|expertise|area|remit)\b",
        )
    ),
    re.IGNORECASE,
)
# "As an AI language model, I have no favourites. However, here is ...": a preamble to an answer, no refusal.
_PREAMBLE = re.compile(r"^\W*as\s+an?\s+(?:AI|(?:large\s+)?language\s+model)\b", re.IGNORECASE)
_GOES_ON = re.compile(r"\b(?:however|but|instead|here\s+(?:is|are))\b", re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """A refusal found in a response.

    Attributes:
        span: its character range.
        confidence: 0 to 1.
        reason: which kind it is, in a few words.
    """

    span: tuple[int, int]
    confidence: float
    reason: str


def find_refusal(response: str, sentence: str | None) -> Refusal | None:
    """The refusal in ``response``: the skill's own ``sentence`` first, else a generic one near the beginning."""
    declared = _find_sentence(response, sentence) if sentence else None
    return declared or _find_generic(response)


def _find_generic(response: str) -> Refusal | None:
    visible = visible_span(response)
    if visible is None or response[visible[0]] in "{[":  # a JSON answer quotes, it does not decline
        return None
    match = _GENERIC.search(response, visible[0], visible[0] + 2 * GENERIC_HEAD)
    if match is None or match.start() > visible[0] + GENERIC_HEAD:
        return None
    if _PREAMBLE.search(response[:GENERIC_HEAD]) and _GOES_ON.search(response, match.end(), match.end() + GENERIC_HEAD):
        return None
    return Refusal(match.span(), GENERIC_CONFIDENCE, f"generic refusal {quote(match.group())}")


def _words(text: str) -> list[tuple[str, int, int]]:
    """Words of the text's head, case and kind of apostrophe removed, with their character ranges."""
    return [
        ("cannot" if word in ("can't", "cant") else word, match.start(), match.end())
        for match in WORD.finditer(text[:HEAD])
        for word in (match.group().casefold().replace("\u2019", "'"),)
    ]


def _has_pivot(words: list[str]) -> bool:
    return any(word in _PIVOTS or word.endswith("n't") for word in words)


def _find_sentence(response: str, sentence: str) -> Refusal | None:
    """Slide a window as long as the sentence over the response, keep the one that shares most words, compare order."""
    wanted = [word for word, _, _ in _words(sentence)[:SENTENCE_WORDS]]
    given = _words(response)
    size = min(len(wanted), len(given))
    if not size:
        return None
    start = _best_window([word for word, _, _ in given], wanted, size)
    window = given[start : start + size]
    words = [word for word, _, _ in window]
    similarity = SequenceMatcher(None, wanted, words, autojunk=False).ratio()
    if similarity < SIMILARITY or (_has_pivot(wanted) and not _has_pivot(words)):
        return None
    span = (window[0][1], window[-1][2])
    # A sentence that is the whole response is a refusal; one amid an answer is a doubtful one.
    share = (span[1] - span[0]) / (given[-1][2] - given[0][1])
    return Refusal(span, round(similarity * (0.6 + 0.4 * share), 3), f"refusal sentence, {similarity:.0%} alike")


def _best_window(given: list[str], wanted: list[str], size: int) -> int:
    """Index of the first window of ``size`` words with the largest overlap with ``wanted``, as bags of words."""
    need = Counter(wanted)
    have: Counter[str] = Counter()
    overlap = best_start = 0
    best = -1
    for index, word in enumerate(given):
        have[word] += 1
        overlap += have[word] <= need[word]
        if index >= size:
            old = given[index - size]
            overlap -= have[old] <= need[old]
            have[old] -= 1
        if index >= size - 1 and overlap > best:
            best, best_start = overlap, index - size + 1
    return best_start


class MissedRefusal:
    """Sees answers to questions that should have been declined; needs ``expects.refusal``."""

    name = "missed_refusal"
    version = "2"
    categories: tuple[str, ...] = ("missed_refusal",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label over the whole response where a refusal is due and none is found; any wording counts as given.

        Silent where the context does not answer the question: that is `UnsupportedAnswer`'s to see.
        """
        expected = item.expectation
        if expected.refusal is None:
            return [not_assessed("missed_refusal", "the item does not say whether a refusal is due")]
        if not expected.refusal or expected.answerable is False or item.correct >= 1.0:
            return []
        if find_refusal(item.response, expected.refusal_sentence or item.target) is not None:
            return []
        span = visible_span(item.response)
        return [ErrorLabel("missed_refusal", 0.9, span, "a refusal is due and none is given")]


class UnsupportedAnswer:
    """Sees answers to questions that the context does not answer; needs ``expects.answerable``."""

    name = "unsupported_answer"
    version = "1"
    categories: tuple[str, ...] = ("unsupported_answer",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label over the whole response where it does not say, in whatever words, that there is no answer."""
        expected = item.expectation
        if expected.answerable is None:
            return [not_assessed("unsupported_answer", "the item does not say whether it can be answered")]
        if expected.answerable or item.correct >= 1.0:
            return []
        span = visible_span(item.response)
        if span is None or find_refusal(item.response, expected.refusal_sentence or item.target) is not None:
            return []
        return [ErrorLabel("unsupported_answer", 0.9, span, "answers what the context does not say")]


class NeedlessRefusal:
    """Sees refusals of questions that should have been answered; needs ``expects.refusal``."""

    name = "needless_refusal"
    version = "1"
    categories: tuple[str, ...] = ("needless_refusal",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label over the refusal; less sure for a generic one or one amid an answer. A target's own are excused."""
        expected = item.expectation
        if expected.refusal is None:
            return [not_assessed("needless_refusal", "the item does not say whether a refusal is due")]
        if expected.refusal:
            return []
        found = find_refusal(item.response, expected.refusal_sentence)
        if found is None or find_refusal(item.target, expected.refusal_sentence) is not None:
            return []
        return [ErrorLabel("needless_refusal", found.confidence, found.span, found.reason)]
