"""Texts that are nearly one another's: runs of words that they share, and MinHash. Words in, positions out.

Time and memory are linear in the words of all texts, as long as not too many of them share the same wording.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

Words = Sequence[str]
Rule = Literal["same text", "13-gram", "8-grams", "MinHash", "canary"]

RUN = 13
"""Words in a row that no two texts share by chance (Brown et al. 2020, arXiv:2005.14165, appendix C)."""
GRAM = 8
CONTAINED = 0.5
"""Share of the shorter text's 8-grams from which it counts as contained in the other."""
SHINGLE = 3
JACCARD = 0.7
"""Jaccard similarity of the sets of 3-grams from which texts are near-duplicates (Broder 1997)."""
COMMON = 200
"""Texts that share an 8-gram from which on it tells none of them apart and does not count as contained."""
SHARED = 0.75
"""Share of the texts of one kind that must begin (or end) with the same words for these to be an instruction."""
FEWEST = 8
"""Distinct texts of one kind below which it cannot be told what is an instruction and what is the text."""
_BANDS, _ROWS = 32, 4  # a pair at .7 escapes with probability (1 - .7^4)^32 = .00015


@dataclass(frozen=True)
class Near:
    """A text of the index that is near another.

    Attributes:
        position: of the text in the index.
        rule: the first rule that says so.
        score: share of the shorter text's 8-grams that both have (for ``MinHash`` the Jaccard similarity), 0 to 1.
    """

    position: int
    rule: Rule
    score: float


def grams(words: Words, n: int) -> set[str]:
    """The runs of ``n`` words; none for a text of fewer."""
    return {" ".join(words[place : place + n]) for place in range(len(words) - n + 1)}


class NearIndex:
    """Texts in which near ones are looked up.

    Rules in their order: a common run of `RUN` words; `CONTAINED` of the shorter one's 8-grams; Jaccard similarity of
    `JACCARD` between the sets of 3-grams, found by MinHash and then computed exactly.

    Args:
        texts: each as normalised words.
    """

    def __init__(self, texts: Sequence[Words]) -> None:
        self._texts = texts
        self._runs: dict[str, int] = {}
        self._grams: dict[str, list[int]] = {}
        self._sizes: list[int] = []
        self._known: set[str] = set()
        self._lsh: Any = None
        for position, words in enumerate(texts):
            for run in grams(words, RUN):
                self._runs.setdefault(run, position)
            own = grams(words, GRAM)
            self._sizes.append(len(own))
            for gram in own:
                self._grams.setdefault(gram, []).append(position)
            self._known |= grams(words, SHINGLE)
        for gram, found in self._grams.items():
            if len(found) > COMMON:
                self._grams[gram] = []

    def search(self, texts: Sequence[Words], most: int) -> Iterator[list[Near]]:
        """For each text its near ones in the index, plainest rule and highest score first.

        Of texts that share one run of 13 words only the first is sure to be named, and MinHash stops at ``most``.
        """
        order = {"13-gram": 0, "8-grams": 1, "MinHash": 2}
        for words in texts:
            found = self._by_grams(words)
            found += self._by_minhash(words, {near.position for near in found}, most)
            yield sorted(found, key=lambda near: (order[near.rule], -near.score, near.position))

    def _by_grams(self, words: Words) -> list[Near]:
        own = grams(words, GRAM)
        shared = [found for gram in own if (found := self._grams.get(gram)) is not None]
        counts = Counter(chain.from_iterable(shared))
        runs: set[int] = set()
        if shared:  # a common run of 13 words holds common runs of 8
            runs = {position for run in grams(words, RUN) if (position := self._runs.get(run)) is not None}
        near = []
        for position in {*counts, *runs}:
            score = counts[position] / min(len(own), self._sizes[position])
            if position in runs or score >= CONTAINED:
                near.append(Near(position, "13-gram" if position in runs else "8-grams", score))
        return near

    def _by_minhash(self, words: Words, found: set[int], most: int) -> list[Near]:
        own = grams(words, SHINGLE)
        # Similarity of .7 needs .7 of its 3-grams to occur in the index at all, which few texts reach.
        if not own or len(own & self._known) < JACCARD * len(own):
            return []
        near: list[Near] = []
        for position in self._candidates(own):
            if len(found) + len(near) >= most:
                break
            if position not in found:
                other = grams(self._texts[position], SHINGLE)
                score = len(own & other) / len(own | other)
                if score >= JACCARD:
                    near.append(Near(position, "MinHash", score))
        return near

    def _candidates(self, shingles: set[str]) -> list[int]:
        """Positions of the texts that MinHash takes to be similar."""
        if self._lsh is None:
            from datasketch import MinHashLSH  # brings scipy: a second that most data never need

            self._lsh = MinHashLSH(num_perm=_BANDS * _ROWS, params=(_BANDS, _ROWS))
            for position, words in enumerate(self._texts):
                if own := grams(words, SHINGLE):
                    self._lsh.insert(position, _sketch(own))
        return sorted(self._lsh.query(_sketch(shingles)))


def _sketch(shingles: set[str]) -> Any:
    from datasketch import MinHash

    sketch = MinHash(num_perm=_BANDS * _ROWS, hashfunc=zlib.crc32)
    sketch.update_batch([shingle.encode("utf-8", "surrogatepass") for shingle in sorted(shingles)])
    return sketch


@dataclass(frozen=True)
class Wording:
    """What texts have in common because they ask for the same kind of thing: instructions at beginning and end.

    Attributes:
        heads, tails: runs of words that texts begin or end with, longest first.
    """

    heads: tuple[tuple[str, ...], ...] = ()
    tails: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, kinds: Sequence[Sequence[Words]]) -> Wording:
        """Learn from texts sorted by kind; kinds of fewer than `FEWEST` distinct texts teach nothing."""
        heads, tails = set(), set()
        for texts in kinds:
            distinct = {tuple(words) for words in texts}
            if len(distinct) < FEWEST:
                continue
            own = _beginnings(list(distinct))
            heads |= own
            rest = [_without(words, own) for words in distinct]
            tails |= {tail[::-1] for tail in _beginnings([words[::-1] for words in rest])}

        def sort(found: set[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
            return tuple(sorted(filter(None, found), key=lambda run: (-len(run), run)))

        return cls(sort(heads), sort(tails))

    def own(self, words: Words) -> tuple[str, ...]:
        """``words`` without instructions; all of them where nothing else would be left."""
        rest = tuple(words)
        rest = next((rest[len(head) :] for head in self.heads if rest[: len(head)] == head), rest)
        rest = next((rest[: -len(tail)] for tail in self.tails if rest[-len(tail) :] == tail), rest)
        return rest or tuple(words)


def _without(words: tuple[str, ...], heads: Collection[tuple[str, ...]]) -> tuple[str, ...]:
    """``words`` without the longest of the runs that they begin with."""
    fitting = (len(head) for head in heads if words[: len(head)] == head)
    return words[max(fitting, default=0) :]


def _beginnings(texts: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
    """The longest run of words that `SHARED` of the texts begin with, and what is left of it where others turn off."""
    least = math.ceil(SHARED * len(texts))
    found = set()
    head: list[str] = []
    while True:
        longer = [words for words in texts if len(words) > len(head)]
        following = Counter(words[len(head)] for words in longer)
        word, count = following.most_common(1)[0] if following else ("", 0)
        if count < len(texts):
            found.add(tuple(head))
        if count < least:
            return found
        texts = [words for words in longer if words[len(head)] == word]
        head.append(word)
