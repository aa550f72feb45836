"""Which words of two texts differ: a longest common subsequence of words, bounded in time for any two texts."""

from __future__ import annotations

import re

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
    old, new = ([match.span() for match in _WORD.finditer(text)] for text in (before, after))
    first, second = [before[slice(*span)] for span in old], [after[slice(*span)] for span in new]
    same = _common(first, second)
    if len(same) < ALIKE * max(len(first), len(second)):
        same = []
    kept_old, kept_new = {i for i, _ in same}, {j for _, j in same}
    return _joined(old, kept_old), _joined(new, kept_new)


def _joined(words: list[tuple[int, int]], kept: set[int]) -> Spans:
    """The ranges of the words that are not kept; words that follow one another make one range."""
    spans: list[tuple[int, int]] = []
    last = -2
    for index, (start, end) in enumerate(words):
        if index in kept:
            continue
        if index == last + 1:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        last = index
    return tuple(spans)


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
