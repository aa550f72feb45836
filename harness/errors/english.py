"""Whether a word is English, and if not, which English word it may be meant for.

The dictionary is the one that comes with symspellpy: 82,765 words with their frequency. It has British spellings and
few American ones, few inflections of rare words and little of the last fifteen years, so four rules stand beside it:
American spellings, regular inflections, common prefixes and endings, compounds of two common words. A rule that
composes a word is not believed where a common word is one letter away: *comissions* is not *co-missions*.

Both dictionaries are read when first needed (`is_word` 0.1 s, `nearest` 0.1 s more) and then kept, as
are the look-ups.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from harness.errors.words import EVERYDAY

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILE = "frequency_dictionary_en_82_765.txt"
REACH = 2  # letters inserted, deleted, replaced or transposed, at most
LONGEST = 30  # letters of a word that is looked up
KEPT = 1 << 16  # look-ups that are remembered
COMMON = 5_000_000  # frequency, of 2e10 for "the"; "permission" has 5e7, "commissions" 1e7
PART = 2_000_000  # the same for each half of a compound

# American spelling -> British, as the dictionary has it; tried at each place where the pattern stands.
_AMERICAN = tuple(
    (re.compile(pattern), british)
    for pattern, british in (
        ("or(?=[a-z]{0,6}$)", "our"), ("er(?=s?$)", "re"), ("er(?=ed$|ing$)", "r"), ("o", "ou"),
        ("(?<=[a-z])l(?=(?:ed|ing|ings|er|ers|or|ors|ous)$)", "ll"), ("ll(?=ment|ful)", "l"),
        ("(?<=^fulfi|^disti)ll", "l"), ("(?<=^insti)ll", "l"), ("(?<=^enro|^appa)ll", "l"), ("iz", "is"), ("yz", "ys"),
        ("og(?=s?$)", "ogue"), ("ens(?=e|ive)", "enc"), ("practic", "practis"), ("licens", "licenc"),
        ("sulf", "sulph"), ("e", "ae"), ("e", "oe"), ("arti", "arte"), ("gray", "grey"), ("dgm", "dgem"),
        ("(?<=^worshi)p(?=ed|ing|er)", "pp"), ("(?<=^kidna)p(?=ed|ing|er)", "pp"),
    )
)  # fmt: skip
_PREFIXES = """
non un re pre micro macro neuro multi sub over under anti geo bio intra super hyper ultra mega mini semi post cyber
eco electro hydro photo mono poly pseudo thermo auto counter crypto extra infra nano meta proto socio techno tele
"""
_PREFIX_LIST = tuple(_PREFIXES.split())
_ENDINGS = ("less", "like", "wise", "ship", "hood", "friendly", "based", "free")
_VOWELS = frozenset("aeiou")
_LETTERS = "abcdefghijklmnopqrstuvwxyz'"


@dataclass(frozen=True)
class Nearest:
    """The English word nearest to one that is none.

    Attributes:
        term: that word.
        distance: letters inserted, deleted, replaced or transposed with their neighbour, 1 or 2.
        frequency: how often it occurs in the dictionary's source, 1e4 (rare) to 2e10 ("the").
    """

    term: str
    distance: int
    frequency: int


@cache
def frequencies() -> Mapping[str, int]:
    """Each word of the dictionary and its frequency.

    Raises:
        ImportError: symspellpy is not installed.
    """
    from importlib.resources import files

    import symspellpy

    with files(symspellpy).joinpath(FILE).open(encoding="utf-8-sig") as lines:
        return {word: int(count) for word, count in (line.split() for line in lines)}


@lru_cache(KEPT)
def nearest(word: str) -> Nearest | None:
    """The dictionary's word nearest to ``word``, of several the most frequent; ``None`` beyond `REACH`.

    What symspellpy's own look-up finds, without its index, which takes seconds to build for the few words that a run
    has to ask for: words one letter away are made and looked up; else those with nearly the same letters are compared.
    """
    known = frequencies()
    if word in known:
        return Nearest(word, 0, known[word])
    close = [(known[other], other, 1) for other in _one_away(word) if other in known]
    if not close:
        from symspellpy.editdistance import DistanceAlgorithm, EditDistance

        distance = EditDistance(DistanceAlgorithm.DAMERAU_OSA).compare
        close = [(known[other], other, 2) for other in _alike(word) if distance(word, other, REACH) == REACH]
    frequency, term, away = max(close, default=(0, "", 0))
    return Nearest(term, away, frequency) if away else None


def _one_away(word: str) -> Iterator[str]:
    """Every word with one letter inserted, deleted, replaced or transposed."""
    for place in range(len(word) + 1):
        head, tail = word[:place], word[place:]
        if tail:
            yield head + tail[1:]
            yield from (head + letter + tail[1:] for letter in _LETTERS)
        if len(tail) > 1:
            yield head + tail[1] + tail[0] + tail[2:]
        yield from (head + letter + tail for letter in _LETTERS)


@dataclass(frozen=True)
class _Shelf:
    """The dictionary, to find words with nearly the same letters.

    Attributes:
        counts: how often each word has each of `_LETTERS`; shape (words, letters).
        masks: which of them it has, a bit each; shape (words,).
        lengths: letters of each word; shape (words,).
    """

    words: list[str]
    counts: NDArray[np.int8]
    masks: NDArray[np.uint32]
    lengths: NDArray[np.intp]


@cache
def _shelf() -> _Shelf:
    import numpy as np

    words = list(frequencies())
    counts = np.zeros((len(words), len(_LETTERS)), np.int8)
    lengths = np.fromiter(map(len, words), np.intp, len(words))
    codes = np.frombuffer("".join(words).encode("utf-32-le"), np.uint32)
    places = {ord(letter): place for place, letter in enumerate(_LETTERS)}
    table = np.full(int(codes.max()) + 1, -1, np.intp)
    table[list(places)] = list(places.values())
    columns, rows = table[codes], np.repeat(np.arange(len(words)), lengths)
    np.add.at(counts, (rows[columns >= 0], columns[columns >= 0]), 1)
    return _Shelf(words, counts, _mask(counts), lengths)


def _mask(counts: NDArray[np.int8]) -> NDArray[np.uint32]:
    import numpy as np

    bits: NDArray[np.uint32] = (counts > 0) @ (np.uint32(1) << np.arange(len(_LETTERS), dtype=np.uint32))
    return bits


def _alike(word: str) -> list[str]:
    """The words that have no more than `REACH` letters that ``word`` lacks, nor lack more: no other is within reach."""
    import numpy as np

    shelf = _shelf()
    own = np.array([word.count(letter) for letter in _LETTERS], np.int8)
    mask = _mask(own)
    rows = np.flatnonzero(
        (np.abs(shelf.lengths - len(word)) <= REACH)
        & (np.bitwise_count(shelf.masks & ~mask) <= REACH)
        & (np.bitwise_count(mask & ~shelf.masks) <= REACH)
    )
    more = shelf.counts[rows] - own
    keep = (np.maximum(more, 0).sum(1) <= REACH) & (np.maximum(-more, 0).sum(1) <= REACH)
    return [shelf.words[row] for row in rows[keep]]


@lru_cache(KEPT)
def is_word(word: str) -> bool:
    """Whether ``word`` (lower case, ``a-z`` and apostrophes) is in the dictionary, or follows from it by a rule.

    Raises:
        ImportError: symspellpy is not installed.
    """
    known = frequencies()
    if word in known or word in EVERYDAY or len(word) > LONGEST:
        return True
    if word.endswith("'s") or word.endswith("s'"):
        return is_word(word[:-2])
    if "'" in word:
        return False
    if _spelled_the_american_way(word) or _inflected(word):
        return True
    if not _composed(word):
        return False
    near = nearest(word)
    if near is None or near.frequency < COMMON / 10:
        return True
    return near.distance == 2 and (len(word) < 9 or near.frequency < COMMON)


def _spelled_the_american_way(word: str) -> bool:
    known = frequencies()
    return any(
        word[: match.start()] + british + word[match.end() :] in known
        for pattern, british in _AMERICAN
        for match in pattern.finditer(word)
    )


def _stems(word: str) -> Iterator[str]:
    """What ``word`` may be a regular inflection of, spelled as the rules ask: no *spliting*, no *makeing*."""
    if word.endswith("ies"):
        yield word[:-3] + "y"
    elif word.endswith("es") and word[:-2].endswith(("s", "x", "z", "ch", "sh")):
        yield word[:-2]
        yield word[:-1]
    elif (
        word.endswith("s")
        and not word.endswith(("ss", "us", "is", "xs", "zs", "chs", "shs", "os"))
        and not (word.endswith("ys") and word[-3:-2] not in _VOWELS)
    ):
        yield word[:-1]
    if word.endswith(("ively", "ously", "fully", "ally", "antly", "ently", "ingly")):
        yield word[:-2]
    for ending in ("ed", "ing", "er", "ers"):
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 3:
            continue
        if stem[-1] == stem[-2] and stem[-1] not in "sl":
            yield stem[:-1]  # doubled before the ending
        elif stem[-1] in _VOWELS:
            continue
        else:
            if stem[-1] in "wxy" or stem[-2] not in _VOWELS or stem[-3] in _VOWELS:
                yield stem  # otherwise the last letter would have to be doubled
            yield stem + "e"


def _inflected(word: str) -> bool:
    known = frequencies()
    return any(
        stem in known or stem in EVERYDAY or _spelled_the_american_way(stem) for stem in _stems(word) if len(stem) >= 3
    )


def _composed(word: str) -> bool:
    known = frequencies()
    for prefix in _PREFIX_LIST:
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) >= 4 and (rest in known or _inflected(rest)):
            return True
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 4 and stem in known:
            return True
    for cut in range(4, len(word) - 3):
        first, second = word[:cut], word[cut:]
        if known.get(first, 0) >= PART and (known.get(second, 0) >= PART or _inflected(second)):
            return True
    return False
