"""Seeded drawing and the small template language of the generator, standard library only.

`random` promises the same stream only within one Python version for most of its methods; SHA-256 in counter mode is the
same everywhere and for ever.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

Value = TypeVar("Value")

# "a" before a vowel that is spoken as one: "a used kettle" and "a one-off" stay.
_ARTICLE = re.compile(r"\b([Aa]) (?=[AEIOaeio]|U[a-z])(?!one\b|euro)")
_ALTERNATIVES = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")


class Draw:
    """A stream of draws that depends on ``seed`` alone."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._count = 0

    def below(self, bound: int) -> int:
        """A whole number in ``[0, bound)``; the bias of the modulus is under 2**-40 for bounds below 2**24."""
        digest = hashlib.sha256(f"{self._seed}\0{self._count}".encode()).digest()
        self._count += 1
        return int.from_bytes(digest[:8], "big") % bound

    def chance(self, percent: int) -> bool:
        """True in ``percent`` of 100 draws."""
        return self.below(100) < percent

    def pick(self, values: Sequence[Value]) -> Value:
        """One of ``values``, each equally likely."""
        return values[self.below(len(values))]

    def shuffled(self, values: Iterable[Value]) -> list[Value]:
        """All of ``values`` in random order (Fisher-Yates)."""
        pool = list(values)
        for last in range(len(pool) - 1, 0, -1):
            other = self.below(last + 1)
            pool[last], pool[other] = pool[other], pool[last]
        return pool

    def some(self, values: Sequence[Value], count: int) -> list[Value]:
        """``count`` different ones of ``values``."""
        return self.shuffled(values)[:count]


def fill(template: str, slots: Mapping[str, str], draw: Draw) -> str:
    """Write out a template: ``[a|b]`` becomes one of the alternatives, ``{slot}`` its value, "a iron" "an iron"."""
    chosen = _ALTERNATIVES.sub(lambda match: draw.pick(match.group(1).split("|")), template)
    return _ARTICLE.sub(r"\1n ", chosen.format_map(slots))
