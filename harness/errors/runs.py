"""Runs of words that two texts share word for word, case, punctuation and layout aside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors.text import WORD

HEAD = 40_000  # characters of each text that are compared
_EXAMINED = 5  # runs that are looked for in further texts


@dataclass(frozen=True)
class Run:
    """Words in a row.

    Attributes:
        start, end: character range in the first text.
        words: how many.
        source_start, source_end: character range of its beginning and its end in the second text.
    """

    start: int
    end: int
    words: int
    source_start: int
    source_end: int


def _words(text: str) -> list[tuple[str, int, int]]:
    return [(match.group().casefold(), match.start(), match.end()) for match in WORD.finditer(text[:HEAD])]


def shared_runs(text: str, source: str, size: int) -> list[Run]:
    """Runs of at least ``size`` words of ``text`` that stand in ``source``, from left to right, none overlapping.

    A run ends where the next word is another one than in the place of ``source`` at which its first ``size`` words
    stand first; what follows may begin a new run.
    """
    words = _words(text)
    if size < 1 or len(words) < size:
        return []
    given = _words(source)
    places: dict[tuple[str, ...], int] = {}
    plain = [word for word, _, _ in given]
    for place in range(len(plain) - size + 1):
        places.setdefault(tuple(plain[place : place + size]), place)
    if not places:
        return []
    runs = []
    at = 0
    ours = [word for word, _, _ in words]
    while at + size <= len(ours):
        place = places.get(tuple(ours[at : at + size]))
        if place is None:
            at += 1
            continue
        length = size
        while at + length < len(ours) and place + length < len(plain) and ours[at + length] == plain[place + length]:
            length += 1
        last = at + length - 1
        runs.append(Run(words[at][1], words[last][2], length, given[place][1], given[place + length - 1][2]))
        at += length
    return runs


def longest_run(text: str, source: str, *, at_least: int, unless_in: Sequence[str] = ()) -> Run | None:
    """The longest run of ``text`` that ``source`` has, of at least ``at_least`` words (or of the whole source, where
    that is shorter); ``None`` where there is none. Runs that a text of ``unless_in`` has too do not count.
    """
    whole = sum(1 for _ in WORD.finditer(source[:HEAD]))
    size = min(at_least, whole)
    longest_first = sorted(shared_runs(text, source, size), key=lambda run: (-run.words, run.start))
    for run in longest_first[:_EXAMINED]:
        if not any(shared_runs(text[run.start : run.end], other, run.words) for other in unless_in):
            return run
    return None
