"""Small edits of texts, each a pure function of the text and a seeded generator; ``None`` where nothing fits."""

from __future__ import annotations

import re
import string
from collections.abc import Collection, Sequence
from random import Random

from harness.errors.proof.wording import COMMON_TYPOS, REAL_WORDS

_SPELLABLE = re.compile(r"(?<![\w@./'\u2019-])[a-z]{4,}(?![\w@/'\u2019-]|\.\w)")  # no names, ids, addresses
_NEIGHBOURS = {
    row[place]: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for place in range(len(row))
}
NUMBER = re.compile(r"(?<![\w.,-])\d+(?:[.,]\d+)*(?![\w-])")
IDENTIFIER = re.compile(r"(?<![\w-])(?=\w*\d)(?=\w*[A-Za-z])\w{4,}(?![\w-])")
NAME = re.compile(r"(?<![\w-])[A-Z][a-z]{2,}(?:\s[A-Z][a-z]{2,})*(?![\w-])")

# Agreement, verb forms and articles: (what stands there, what a learner might write).
_AGREEMENT: tuple[tuple[str, str], ...] = (
    (r"\bdoes\b", "do"),
    (r"\bis\b", "are"),
    (r"\bare\b", "is"),
    (r"\bhas\b", "have"),
    (r"\bwas\b", "were"),
    (r"\b(I|we|you|they) have\b", r"\1 has"),
)
_VERB_FORMS: tuple[tuple[str, str], ...] = (
    (r"\b((?:can|will|may|must|would|should|could)(?: only| not| also)?) ([a-z]{2,}[a-rt-z])\b", r"\1 \2s"),
    (r"\b(does not|do not|did not) ([a-z]{2,}[a-rt-z])\b", r"\1 \2ing"),
)
_ARTICLE = re.compile(r"\b(?:the|an?)\s+(?=[a-z]+[a-rt-z]\b)", re.IGNORECASE)  # not before what may be a plural
_WRONG_ARTICLE: tuple[tuple[str, str], ...] = ((r"\ba (?=[bcdfgklmnprstvw])", "an "), (r"\ban (?=[aeio])", "a "))


def typo(word: str, rng: Random) -> str:
    """``word`` (4 letters or more) with one slip of the finger, or the way in which many write it."""
    if word in COMMON_TYPOS and rng.random() < 0.5:
        return COMMON_TYPOS[word]
    place = rng.randrange(1, len(word) - 1)
    kind = rng.choice(("swap", "drop", "double", "neighbour"))
    if kind == "swap":
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    if kind == "drop":
        return word[:place] + word[place + 1 :]
    if kind == "double":
        return word[:place] + word[place] + word[place:]
    return word[:place] + rng.choice(_NEIGHBOURS[word[place]]) + word[place + 1 :]


def misspell(text: str, rng: Random, share: float, known: Collection[str]) -> str | None:
    """``text`` with typos in ``share`` (0 to 1) of its words, one at least; none of them in ``known``.

    Names, numbers, ids, addresses and words below four letters are left alone. ``None`` where the share comes to no
    more than one word while more were asked for (``share`` above 0), or no word can be misspelled.
    """
    places = list(_SPELLABLE.finditer(text))
    wanted = max(1, round(share * len(text.split())))
    if not places or (share > 0 and wanted < 2) or wanted > len(places):
        return None
    changed = text
    for match in sorted(rng.sample(places, wanted), key=lambda match: -match.start()):
        wrong = next((new for _ in range(20) if _is_typo(new := typo(match.group(), rng), match.group(), known)), None)
        if wrong is None:
            return None
        changed = changed[: match.start()] + wrong + changed[match.end() :]
    return changed


def _is_typo(wrong: str, word: str, known: Collection[str]) -> bool:
    known_word = wrong in known or wrong in REAL_WORDS
    return wrong != word and not known_word and wrong.rstrip("s") != word.rstrip("s")


def _substitute_one(text: str, rules: Sequence[tuple[str, str]], rng: Random) -> str | None:
    """``text`` after one of the ``rules`` that change it, at one place."""
    options = []
    for pattern, replacement in rules:
        for match in re.finditer(pattern, text):
            changed = text[: match.start()] + match.expand(replacement) + text[match.end() :]
            if changed != text:
                options.append(changed)
    return rng.choice(options) if options else None


def break_agreement(text: str, rng: Random) -> str | None:
    """A verb that no longer agrees with its subject."""
    return _substitute_one(text, _AGREEMENT, rng)


def break_verb_form(text: str, rng: Random) -> str | None:
    """An inflected verb behind a modal or ``do``."""
    return _substitute_one(text, _VERB_FORMS, rng)


def wrong_article(text: str, rng: Random) -> str | None:
    """``a`` before a vowel or ``an`` before a consonant."""
    return _substitute_one(text, _WRONG_ARTICLE, rng)


def drop_articles(text: str) -> str | None:
    """All articles dropped, where there are any and some words are left."""
    changed = _ARTICLE.sub("", text)
    if changed == text or len(changed.split()) < 5:
        return None
    return changed[0].upper() + changed[1:] if text[0].isupper() else changed


def double_word(text: str, rng: Random) -> str | None:
    """One short word twice, as when a line is mistyped."""
    places = list(re.finditer(r"\b[a-z]{2,6}\b", text))
    if not places:
        return None
    match = rng.choice(places)
    return f"{text[: match.end()]} {match.group()}{text[match.end() :]}"


def swap_words(text: str, rng: Random) -> str | None:
    """Two neighbouring words in the wrong order: an article or preposition behind its noun."""
    places = list(re.finditer(r"\b(the|a|an|of|to|with|at|for|in|from) ([a-z]{3,})\b", text))
    if not places:
        return None
    match = rng.choice(places)
    return f"{text[: match.start()]}{match[2]} {match[1]}{text[match.end() :]}"


def other_number(number: str, rng: Random, taken: str) -> str:
    """A number of as many digits (two at least) that does not stand in ``taken``."""
    for _ in range(200):
        digits = "".join(rng.choice("123456789") if char.isdigit() else char for char in number)
        digits = digits if len(digits) > 1 else rng.choice("123456789") + digits
        if digits not in taken:
            return digits
    return number + "731"


def other_identifier(identifier: str, rng: Random, taken: str) -> str:
    """An id of the same shape that does not stand in ``taken``."""

    def other(char: str) -> str:
        if char.isdigit():
            return rng.choice(string.digits)
        return rng.choice(string.ascii_uppercase if char.isupper() else string.ascii_lowercase)

    for _ in range(200):
        made = "".join(other(char) if char.isalnum() else char for char in identifier)
        if made.casefold() not in taken.casefold():
            return made
    return identifier + "X9"


def numbers_of(text: str) -> list[str]:
    """The different numbers of ``text`` that stand alone, in order."""
    return list(dict.fromkeys(match.group() for match in NUMBER.finditer(text)))


def names_of(text: str) -> list[str]:
    """The different capitalised words (or runs of them) of ``text``, in order; the first of a sentence left out."""
    found = []
    for match in NAME.finditer(text):
        before = text[: match.start()].rstrip()
        inside = before and before[-1] not in '.!?:\n"'
        found.append(match.group() if inside else match.group().partition(" ")[2])
    return [name for name in dict.fromkeys(found) if name]


def sentences_of(text: str) -> list[str]:
    """Sentences of ``text`` with their closing mark."""
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()]


def as_sentence(text: str) -> str:
    """``text`` closed with a full stop where it has no closing mark."""
    stripped = text.rstrip()
    return stripped if stripped.endswith((".", "!", "?")) else stripped + "."
