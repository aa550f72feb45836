"""Misspelling a text as hands and ears do, from a seeded stream of draws."""

from __future__ import annotations

import re

from wording.draw import Draw
from wording.typos import BY_EAR, NOT_A_TYPO

# The letters beside each one on a QWERTY keyboard.
NEIGHBOURS = {
    "a": "qsz", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "wa", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
OPERATIONS = ("swap", "drop", "double", "neighbour")
FOR_FOUR = ("swap", "double")  # with a letter gone or another one, a word of four letters could be anything
BY_EAR_FIRST = 40  # per cent of the words that have a misspelling by ear get that one
_WORD = re.compile(r"(?<![\w'-])[a-z]{4,}(?![\w'-])")


def misspelt(word: str, operation: str, draw: Draw) -> str:
    """``word`` with one typo inside it; its first and last letter stay."""
    place = 1 + draw.below(len(word) - 3 if operation == "swap" else len(word) - 2)
    if operation == "swap":
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if operation == "drop":
        return word[:place] + word[place + 1 :]
    if operation == "double":
        return word[: place + 1] + word[place:]
    return word[:place] + draw.pick(NEIGHBOURS[word[place]]) + word[place + 1 :]


def with_typos(text: str, count: int, draw: Draw) -> str:
    """``text`` with ``count`` of its words (all, where there are fewer) misspelt once; names and numbers stay.

    A misspelling that is another word is drawn again (`NOT_A_TYPO`).
    """
    known = set(re.findall(r"[a-z]+", text.casefold())) | NOT_A_TYPO
    matches = list(_WORD.finditer(text))
    for match in sorted(draw.some(matches, count), key=lambda match: -match.start()):
        word = match.group()
        wrong = BY_EAR[word] if word in BY_EAR and draw.chance(BY_EAR_FIRST) else word
        while wrong == word or wrong in known:
            wrong = misspelt(word, draw.pick(FOR_FOUR if len(word) == 4 else OPERATIONS), draw)
        text = text[: match.start()] + wrong + text[match.end() :]
    return text
