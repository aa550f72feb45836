"""misspelled: words that are not English and look like an English word with letters missing, doubled or changed."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache

from harness.errors.contract import ErrorLabel, not_assessed
from harness.errors.english import LONGEST, frequencies, is_word, nearest
from harness.errors.languages import primary
from harness.errors.library import versioned
from harness.errors.text import WORD, quote
from harness.evaluation.items import ItemResult

HEAD = 20_000  # characters looked at
MOST_LABELS = 10
UNKNOWN = 200  # different unknown words after which the rest of a response is not looked at
CORRECTED = 200  # different words of the target that may put one of the prompt right
ALIKE = 0.75  # difflib's ratio of the two
LIKELY = 0.6  # how sure it is that a word is misspelled: 1, this, or 0

# The words found are weighed against what a response has by chance: a quarter of one, and one more in 100 words.
CHANCE = 0.25
WORDS_A_CHANCE = 100

# Too many unknown words that resemble none: another language, or a list of names in small letters.
FOREIGN_SHARE = 0.4
FOREIGN_WORDS = 4

# A word in plain letters. What touches it tells that it is a part of something else: an address, a path, a command, a
# variable, a call, a name with digits in it.
_PLAIN = re.compile(
    r"(?<![\w@./\\#$'\u2019&%])[A-Za-z][a-z]*+(?:['\u2019][a-z]++)*+(?![\w@/\\(=\[{<>$#]|['\u2019.:]\w)"
)
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*+`|<[^<>\n]{1,200}>|https?://\S++|\$[^$\n]{1,200}\$", re.DOTALL)
_CODE_MARKS = re.compile(r"[`<$]|://")
_KEY = re.compile(r'"[^"\\\n]{0,100}"\s*+:')
# By length: how common a word must be that is this one with two letters swapped; 1e6 for longer ones.
_SWAPPED = {3: 1e9, 4: 1e7, 5: 1e7, 6: 5e6}
_SENTENCE_BEGINS = re.compile(r"(?:\A|[.!?:\n\"\u201c(*-])[ \t]*+\Z")


@dataclass(frozen=True)
class Misspelling:
    """A word found.

    Attributes:
        start, end: its character range.
        term: the English word that is probably meant.
        weight: how sure, `LIKELY` or 1.
    """

    start: int
    end: int
    term: str
    weight: float


class Misspelled:
    """Sees misspelled words of English; excuses names, codes, and every word of the prompt, context and target."""

    name = "misspelled"
    categories: tuple[str, ...] = ("misspelled",)

    def __init__(self) -> None:
        self.version = versioned("2", "symspellpy")

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label a different word, at most ten, each as sure as the share of misspelled words makes it."""
        language = item.expectation.language
        if language is not None and primary(language) != "en":
            return [not_assessed("misspelled", f"only English is judged, the item expects {quote(language)}")]
        try:
            frequencies()
        except ImportError:
            return [not_assessed("misspelled", "needs symspellpy: pip install symspellpy")]
        text = item.response[:HEAD]
        unknown, words = _unknown_words(text)
        if not unknown:
            return []
        found, strange = _misspellings(text, unknown, _Excused(item))
        if strange >= FOREIGN_WORDS and strange > len(found) and strange + len(found) > FOREIGN_SHARE * words:
            return [not_assessed("misspelled", "most words are not English")]
        if not found:
            return []
        weight = sum(each.weight for each in found)
        total = sum(1 for _ in WORD.finditer(text))
        confidence = round(weight / (weight + total / WORDS_A_CHANCE + CHANCE), 3)
        return [
            ErrorLabel(
                "misspelled", confidence, (each.start, each.end),
                f"{quote(text[each.start : each.end])}, probably {quote(each.term)}",
            )
            for each in found[:MOST_LABELS]
        ]  # fmt: skip


class _Excused:
    """The words that an item itself uses, which are right or not the response's fault."""

    def __init__(self, item: ItemResult) -> None:
        expected = item.expectation
        self._target = _words(item.target[:HEAD])
        given = (expected.context or "", expected.refusal_sentence or "", *expected.labels, *expected.keys)
        self._others = _words(" ".join(given)[:HEAD])
        self._prompt = _words(item.prompt[:HEAD])
        self._target_alone = sorted(self._target - self._prompt)[:CORRECTED]

    def corrected(self, word: str) -> str | None:
        """A word of the target alone that ``word`` is misspelled from: where a text is to be put right, it stands."""
        if word not in self._prompt or word in self._target:
            return None
        alike = get_close_matches(word, self._target_alone, 1, ALIKE)
        return alike[0] if alike else None

    def __contains__(self, word: str) -> bool:
        return word in self._prompt or word in self._target or word in self._others


def _words(text: str) -> Set[str]:
    return {word for match in WORD.finditer(text.casefold()) for word in _parts(match.group())}


def _parts(word: str) -> list[str]:
    word = word.replace("\u2019", "'")
    return [word, word.removesuffix("'s"), *word.split("-")]


def _unknown_words(text: str) -> tuple[dict[str, tuple[int, int, bool]], int]:
    """The first place of each word that is not English, whether it begins a sentence in a capital; and all words."""
    ignored: list[tuple[int, int]] | None = None
    unknown: dict[str, tuple[int, int, bool]] = {}
    words = 0
    for match in _PLAIN.finditer(text):
        written = match.group().replace("\u2019", "'")
        word = written.lower()
        words += 1
        if len(word) < 3 or len(word) > LONGEST or word in unknown or is_word(word):
            continue
        capital = written[0] != word[0]
        if capital and not _SENTENCE_BEGINS.search(text, max(0, match.start() - 4), match.start()):
            continue  # a name
        if ignored is None:
            ignored = [span.span() for span in _CODE.finditer(text)] if _CODE_MARKS.search(text) else []
            ignored += [span.span() for span in _KEY.finditer(text)]
        if any(start <= match.start() < end for start, end in ignored):
            continue
        unknown[word] = (match.start(), match.end(), capital)
        if len(unknown) >= UNKNOWN:
            break
    return unknown, words


def _misspellings(
    text: str, unknown: dict[str, tuple[int, int, bool]], excused: _Excused
) -> tuple[list[Misspelling], int]:
    """Those of ``unknown`` that are misspelled, and how many others are neither that nor excused."""
    found = []
    strange = 0
    for word, (start, end, capital) in unknown.items():
        stem = word.removesuffix("'s")
        corrected = excused.corrected(stem)
        if corrected is None and (word in excused or stem in excused):
            continue
        term, weight = (corrected, 1.0) if corrected is not None else judge(stem)
        if capital and not (weight == 1.0 and _no_name(stem, term)):
            continue
        if weight:
            found.append(Misspelling(start, end, term, weight))
        elif not capital:
            strange += 1
    return found, strange


def _no_name(word: str, term: str) -> bool:
    """Whether a word with a capital, at the beginning of a sentence, is long or its ``term`` common enough."""
    common = frequencies().get(term, 0)
    return len(word) >= 7 or common >= (1e8 if len(word) >= 5 else 1e9)


@lru_cache(1 << 16)
def judge(word: str) -> tuple[str, float]:
    """What ``word``, which is not English, is probably meant for, and how sure that is: 1, `LIKELY` or 0.

    Foreign words, jargon and trade names lie near English words too, near rare ones and, if short, near common ones.
    So the shorter the word, the more common what is meant must be; and letters are more often dropped, doubled or
    swapped than replaced, and seldom the first.
    """
    if len(word) < 3:
        return "", 0.0
    known = frequencies()
    for cut in (1, 2):
        contraction = f"{word[:-cut]}'{word[-cut:]}"
        if contraction in known:
            return contraction, 1.0
    swapped = max(_swapped(word), key=lambda term: known.get(term, 0))
    if known.get(swapped, 0) >= _SWAPPED.get(len(word), 1e6):
        return swapped, 1.0
    near = nearest(word)
    if near is None:
        return "", 0.0
    common, size = near.frequency, len(word)
    if word[0] != near.term[0]:
        return near.term, LIKELY if near.distance == 1 and size >= 7 and common >= 2e7 else 0.0
    if near.distance == 2:
        return near.term, LIKELY if size >= 8 and common >= 1e6 else 0.0
    if size >= 7:
        return near.term, 1.0 if common >= 1e6 else LIKELY if common >= 1e5 else 0.0
    if size == len(near.term):  # a letter replaced
        return near.term, LIKELY if size >= 5 and common >= 5e7 else 0.0
    if size >= 5:
        return near.term, 1.0 if common >= 1e7 else LIKELY if common >= 3e6 else 0.0
    return near.term, LIKELY if size == 4 and common >= 1e9 else 0.0


def _swapped(word: str) -> list[str]:
    return [word[:place] + word[place + 1] + word[place] + word[place + 2 :] for place in range(len(word) - 1)]
