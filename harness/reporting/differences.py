"""Which words of two texts differ: a longest common subsequence of words, bounded in time for any two texts."""

from __future__ import annotations

import re
from itertools import pairwise

MAX_WORDS = 600
"""Words of each text that are compared; what stands behind them counts as different unless both end alike."""

ALIKE = 0.25
"""Share of the longer text's words that must be common; below it the texts differ as a whole, not in scraps."""

_WORD = re.compile(r"\w+|[^\w\s]")

Spans = tuple[tuple[int, int], ...]


def differing(before: str, after: str) -> tuple[Spans, Spans]:
    """Character ranges ``[start, end)`` of the words of each text that the other has not, neighbours joined.

    A word is a run of letters, digits and underscores, or one other visible character. Time is at most
    ``MAX_WORDS`` squared bit operations, done a machine word at a time.
    """
    if before == after:
        return (), ()
    first, second = _WORD.findall(before), _WORD.findall(after)
    same = _common(first, second)
    if len(same) < ALIKE * max(len(first), len(second)):
        same = []
    return _joined(before, [i for i, _ in same], len(first)), _joined(after, [j for _, j in same], len(second))


def _joined(text: str, kept: list[int], words: int) -> Spans:
    """The ranges of the ``words`` words that are not kept (rising places); those that follow one another make one."""
    if len(kept) == words:
        return ()
    places = list(_WORD.finditer(text))
    gaps = [(left + 1, right) for left, right in pairwise([-1, *kept, words]) if left + 1 < right]
    return tuple((places[start].start(), places[end - 1].end()) for start, end in gaps)


def _common(first: list[str], second: list[str]) -> list[tuple[int, int]]:
    """Pairs of positions of equal words: the common beginning and end, and the longest subsequence between."""
    shorter = min(len(first), len(second))
    head = next((i for i in range(shorter) if first[i] != second[i]), shorter)
    left = shorter - head
    tail = next((i for i in range(left) if first[-1 - i] != second[-1 - i]), left)
    middle = _subsequence(first[head : len(first) - tail][:MAX_WORDS], second[head : len(second) - tail][:MAX_WORDS])
    return [
        *((i, i) for i in range(head)),
        *((head + i, head + j) for i, j in middle),
        *((len(first) - i, len(second) - i) for i in range(tail, 0, -1)),
    ]


def _subsequence(first: list[str], second: list[str]) -> list[tuple[int, int]]:
    """A longest common subsequence, by bit vectors (Hyyrö 2004): a zero bit is a word of ``first`` that adds one."""
    places: dict[str, int] = {}
    for i, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << i
    everything = (1 << len(first)) - 1
    row, rows = everything, []
    for word in second:
        matched = row & places.get(word, 0)
        row = (row + matched | row - matched) & everything
        rows.append(row)
    pairs = []
    i, j = len(first) - 1, len(second) - 1
    while i >= 0 and j >= 0:
        if rows[j] >> i & 1:
            i -= 1
        elif j and not rows[j - 1] >> i & 1:
            j -= 1
        else:
            pairs.append((i, j))
            i, j = i - 1, j - 1
    return pairs[::-1]
