"""How near a text is to the references: SQuAD's exact match and token F1, ROUGE-L. Plain functions of strings."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ROUGE_SPLIT = re.compile(r"[^a-z0-9]+")


def squad_normalise(text: str) -> str:
    """Lower case, without ASCII punctuation, articles and further spaces.

    Source: ``normalize_answer`` of the SQuAD 1.1 and 2.0 evaluation scripts (Rajpurkar et al. 2016, arXiv:1606.05250).
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(response: str, references: Sequence[str]) -> float:
    """1.0 if ``response`` is one of ``references``, spaces around them apart; else 0.0. Strict, as lm-eval's is."""
    return float(response.strip() in {reference.strip() for reference in references})


def f1(response: str, references: Sequence[str]) -> float:
    """Token F1, 0 to 1, against the reference that gives the most; both empty is 1, one empty is 0.

    Source: ``compute_f1`` of the SQuAD 2.0 evaluation script.
    """
    return max(_f1(squad_normalise(response).split(), squad_normalise(other).split()) for other in references)


def _f1(response: Sequence[str], reference: Sequence[str]) -> float:
    if not response or not reference:
        return float(not response and not reference)
    shared = sum((Counter(response) & Counter(reference)).values())
    return _harmonic(shared, len(response), len(reference))


def rouge_l(response: str, references: Sequence[str]) -> float:
    """ROUGE-L, 0 to 1: the F-measure of the longest common subsequence of words, best of ``references``.

    Words are runs of ``a-z0-9`` in lower case, not stemmed, as in the package ``rouge_score``.
    Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries".
    """
    words = _rouge_words(response)
    return max(_rouge_l(words, _rouge_words(reference)) for reference in references)


def _rouge_l(response: Sequence[str], reference: Sequence[str]) -> float:
    return _harmonic(common_subsequence(response, reference), len(response), len(reference))


def _rouge_words(text: str) -> list[str]:
    return _ROUGE_SPLIT.sub(" ", text.lower()).split()


def common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table at a time as the bits of one integer.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    whole = (1 << len(first)) - 1
    row = whole
    for word in second:
        met = row & places.get(word, 0)
        row = ((row + met) | (row - met)) & whole
    return len(first) - row.bit_count()


def _harmonic(shared: int, response: int, reference: int) -> float:
    """F1 of ``shared`` out of so many words of each side."""
    return 2 * shared / (response + reference) if shared else 0.0
