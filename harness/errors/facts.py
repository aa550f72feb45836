"""The facts that a text states: numbers, dates, ids, addresses and names, in a form that can be looked up elsewhere.

Formats are levelled: 1,000 is 1000, ``two`` is 2, 5 March 2024 is 2024-03-05, FD-9983 is fd9983. What cannot be told is
read leniently: a false alarm costs more than a miss. Everything is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from harness.errors.wordlists import COMMON, MONTHS, NUMBERS, SCALES, SOURCE_NUMBERS, TITLES, WEEKDAYS

Kind = Literal["number", "date", "id", "address", "name"]

_ADDRESS = r"(?:https?://|www\.)[^\s<>\"'`(){}\[\]|]++|(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++"
_TOKEN = re.compile(rf"{_ADDRESS}|\w++(?:['\u2019.,:/\-]\w++)*+")
_SITE = re.compile(r"(?:[\w-]+\.)+(?:com|org|net|edu|gov|io|info|eu|uk|de|fr)(?:/|$)")
_DIGITS = re.compile(r"(?<!\w)\w*\d\w*(?:['\u2019.,:/\-]\w++)*+")
_DATE = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})|(\d{1,2})([-/.])(\d{1,2})\6(\d{4}|\d{2})")
_QUANTITY = re.compile(r"(\d[\d.,'\u2019]*)([a-z\u00b5]{1,3})?|(\d+[.,]\d+)[KMB]")
_THOUSANDS = re.compile(r"\d{1,3}(?:[,.'\u2019]\d{3})+")
_PART = re.compile(r"[^\-/:]+")
_WORD = re.compile(r"\w+")
_PLAIN = re.compile(r"\d++(?:[.,]\d++)*+(?!\w)|\w++")
_ARTICLES = frozenset({"a", "an", "the"})
_TENS = "|".join(word for word, value in NUMBERS.items() if value >= 20)
_UNITS = "|".join(word for word, value in NUMBERS.items() if 0 < value < 10)
_SMALL = rf"(?:(?:{_TENS})(?:[\s-](?:{_UNITS}))?|{'|'.join(word for word, value in NUMBERS.items() if value < 20)})"
_SCALED = rf"(?:{_SMALL}[\s-])?(?:{'|'.join(SCALES)})(?:[\s-](?:{'|'.join(SCALES)}))*"
_NEXT = r"(?:\sand\s|[\s-])"
_SPELLED = re.compile(rf"\b(?:{_SCALED}(?:{_NEXT}{_SCALED})*(?:{_NEXT}{_SMALL})?|{_SMALL})\b")
_HALVES = str.maketrans({"\u00bd": ".5", "\u00bc": ".25", "\u00be": ".75"})
# What stands before the first word of a sentence.
_OPENS = frozenset('.!?:;"\u201c\u201d\u2018([{*\u2022\u2013\u2014#>|')

_LARGEST = 10**15  # "hundred" a thousand times over is no number that anybody meant
_CLOSING = ".,;:!?'\"*_"
BARE_WORDS = 4  # an answer of no more words than this, all capitalised, is taken for a name from its first word on


@dataclass(frozen=True)
class Fact:
    """A fact that a text states.

    Attributes:
        kind: what it is.
        start, end: its character range.
        readings: what it may stand for, levelled: any one that the source has supports it. A date's are
            ``month|other numbers``, an id's its whole and its ``part|part``.
        confidence: 0 to 1, how surely this is a fact of that kind.
    """

    kind: Kind
    start: int
    end: int
    readings: tuple[str, ...]
    confidence: float = 0.9


def number_readings(text: str) -> tuple[str, ...]:
    """What a written number may stand for, levelled; empty where it is none (``1.2.3``).

    Example::

        number_readings("1,000") == ("1000",)
        number_readings("1.000") == ("1000", "1")
        number_readings("10.50") == ("10.5",)
    """
    text = text.translate(_HALVES)
    if text.isdecimal():
        return (text.lstrip("0") or "0",)
    separators = [character for character in text if not character.isdecimal()]
    readings = []
    if _THOUSANDS.fullmatch(text) and len(set(separators)) == 1:
        readings.append(re.sub(r"\D", "", text).lstrip("0") or "0")
    last = separators[-1]
    if separators.count(last) == 1 and last in ",." and not (readings and last == ","):
        whole, _, part = text.rpartition(last)
        if len(separators) == 1 or _THOUSANDS.fullmatch(whole):
            whole = re.sub(r"\D", "", whole).lstrip("0") or "0"
            readings.append(f"{whole}.{part}".rstrip("0").rstrip("."))
    return tuple(dict.fromkeys(readings))


def spelled_number(text: str) -> str:
    """Value of a number in lower-case words, e.g. ``two hundred and five`` -> ``205``."""
    total = current = 0
    for word in re.split(r"[\s-]+", text):
        if word in NUMBERS:
            current += NUMBERS[word]
        elif word in SCALES:
            current = min(max(current, 1) * SCALES[word], _LARGEST)
            if SCALES[word] >= 1000:
                total, current = total + current, 0
    return str(total + current)


@lru_cache(maxsize=2048)  # the same questions, contexts and gold answers come back round after round
def facts(text: str) -> tuple[Fact, ...]:
    """The facts of ``text`` from left to right. Names only where capitals tell them from other words."""
    return tuple(_facts(text))


def _facts(text: str) -> Iterator[Fact]:
    tokens = list(_TOKEN.finditer(text))
    names = _capitals_tell_names(text)
    lower = {word for word in _WORD.findall(text) if word.islower()} if names else set()
    bare = len(tokens) <= BARE_WORDS and all(_could_be_name(token.group()) for token in tokens)
    for place, token in enumerate(tokens):
        piece, start, end = token.group(), token.start(), token.end()
        opens = _opens_sentence(text, tokens, place)
        if "@" in piece or piece.startswith(("http://", "https://", "www.")) or _SITE.match(piece):
            yield Fact("address", start, start + len(piece.rstrip(_CLOSING)), (address_key(piece),))
        elif any(map(str.isdigit, piece)) or any(map(str.isnumeric, piece)):
            if not _is_list_number(text, start, end, opens):
                yield from _numeric(piece, start)
        elif piece[0].isupper():
            near = _near_number(tokens, place)
            month, weekday = MONTHS.get(piece.casefold()), WEEKDAYS.get(piece.casefold())
            if month is not None and (near or (len(piece) > 3 and not opens) or len(piece) > 5):
                yield Fact("date", start, end, (f"{month}|",))
            elif weekday is not None and len(piece) > 4:
                yield Fact("date", start, end, (f"{weekday}|",))
            elif names and (bare or not opens or _is_quoted_value(text, start, end)):
                yield from _name(piece, start, lower, 0.8 if not opens else 0.6)
    yield from _spelled(text)


def _spelled(text: str) -> Iterator[Fact]:
    folded = text.lower()
    if len(folded) != len(text):  # a few letters change their length, and with it all offsets
        return
    for match in _SPELLED.finditer(folded):
        value = spelled_number(match.group())
        if int(value) > 1:  # "one" is mostly a pronoun
            yield Fact("number", match.start(), match.end(), (value,), 0.7)


def _could_be_name(piece: str) -> bool:
    return piece[0].isupper() or piece[0].isdigit() or piece in {"of", "the", "de", "van", "von", "and", "la"}


def _capitals_tell_names(text: str) -> bool:
    """Not in headings, in shouting, or in languages that capitalise every noun."""
    words = [word for word in _WORD.findall(text) if word[0].isalpha()]
    capital = sum(word[0].isupper() for word in words)
    return capital > 0 and (len(words) <= 2 * BARE_WORDS or 2 * capital < len(words))


def _opens_sentence(text: str, tokens: list[re.Match[str]], place: int) -> bool:
    """Whether the token is the first word of a sentence, a line or a quotation."""
    if place == 0:
        return True
    gap = text[tokens[place - 1].end() : tokens[place].start()]
    if gap == " ":
        return False
    if gap == ". " and tokens[place - 1].group().casefold() in TITLES:
        return False
    return "\n" in gap or not _OPENS.isdisjoint(gap)


def _is_list_number(text: str, start: int, end: int, opens: bool) -> bool:
    """``1.``, ``2)`` and the like that number what follows, and the ``[3]`` of a note."""
    if text[start - 1 : start] == "[" and text[end : end + 1] == "]":
        return end - start <= 2 and text[start - 2 : start - 1] not in {"", " ", ":"}  # as in a JSON list
    if end - start > 2 or text[end : end + 1] not in {".", ")", ":"}:
        return False
    return (opens or text[end] == ")") and text[end + 1 : end + 2] in {" ", "\t"} and text[start - 1 : start] != "("


def _is_quoted_value(text: str, start: int, end: int) -> bool:
    """A word that is all of a quotation, and no key of broken JSON."""
    return text[start - 1 : start] == '"' and text[end : end + 1] == '"' and text[end + 1 : end + 2] != ":"


def _near_number(tokens: list[re.Match[str]], place: int) -> bool:
    near = tokens[max(0, place - 2) : place] + tokens[place + 1 : place + 2]
    return any(token.group()[0].isdigit() for token in near)


def _numeric(piece: str, start: int) -> Iterator[Fact]:
    """The facts of a piece with digits: a date, an id, or one or more quantities."""
    end = start + len(piece)
    date = _DATE.fullmatch(piece)
    if date is not None:
        yield Fact("date", start, end, date_readings(date))
        return
    parts = [(match.group(), start + match.start()) for match in _PART.finditer(piece)]
    has_letters = [any(map(str.isalpha, part)) and _quantity(part) is None for part, _ in parts]
    if len(parts) > 1 and any(has_letters) and any(map(str.isupper, piece)):
        yield Fact("id", start, end, (id_key(piece), "|".join(id_key(part) for part, _ in parts)))
        return
    for (part, begin), letters in zip(parts, has_letters, strict=True):
        readings = None if letters else _quantity(part)
        if readings:
            yield Fact("number", begin, begin + len(part), readings)
        elif any(map(str.isdigit, part)):
            several = [number for number in part.split(",") if number.isdecimal()]
            if len(several) > 1 and len(several) == part.count(",") + 1:  # 1,2,3
                for match in _WORD.finditer(part):
                    number = number_readings(match.group())
                    yield Fact("number", begin + match.start(), begin + match.end(), number)
            else:
                yield Fact("id", begin, begin + len(part), (id_key(part),))


def _quantity(part: str) -> tuple[str, ...] | None:
    """Readings of ``10``, ``10.5``, ``10kg``, ``5th``, ``1990s``; ``None`` where it is no quantity."""
    match = _QUANTITY.fullmatch(part.translate(_HALVES))
    if match is None:
        return None
    readings = number_readings((match.group(1) or match.group(3)).rstrip(".,'\u2019"))
    if match.group(2) == "k":
        readings += tuple(f"{reading}000" for reading in readings if "." not in reading)
    return readings or None


def date_readings(match: re.Match[str]) -> tuple[str, ...]:
    """``month|year|day`` of a numeric date, in each order that it may be written in."""
    year, _, month, day, first, _, second, short = match.groups()
    found = [(year, month, day)] if year else [(short, second, first), (short, first, second)]
    readings = [
        f"m{int(month)}|{int(year)}|{int(day)}"
        for year, month, day in found
        if 1 <= int(month) <= 12 and int(day) <= 31
    ]
    return tuple(readings) or (f"m0|{match.group()}",)


def id_key(text: str) -> str:
    """An id without case, hyphens and other joints."""
    return "".join(_WORD.findall(text.casefold())).replace("_", "")


def address_key(text: str) -> str:
    """A web or mail address without case, scheme, ``www.`` and closing punctuation."""
    return re.sub(r"^(?:https?://)?(?:www\.)?", "", text.casefold()).rstrip(_CLOSING + "/")


def _name(piece: str, start: int, lower: set[str], confidence: float) -> Iterator[Fact]:
    for match in re.finditer(r"[^'\u2019.,:/\-]+", piece):
        part = match.group()
        folded = part.casefold()
        if len(part) > 1 and part[0].isupper() and folded not in COMMON and folded not in lower:
            begin = start + match.start()
            yield Fact("name", begin, begin + len(part), (level(part),), confidence)


def level(text: str) -> str:
    """``text`` without case and accents."""
    if text.isascii():
        return text.lower()
    return "".join(each for each in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(each))


def levelled_words(text: str) -> str:
    """The words of ``text`` without case, accents, punctuation and articles, numbers in one format, spaced singly.

    Example::

        levelled_words("The warranty: two years!") == levelled_words("warranty 2 years")
    """
    spelled_out = _SPELLED.sub(lambda match: spelled_number(match.group()), level(text))
    words = []
    for match in _PLAIN.finditer(spelled_out):
        word = match.group()
        readings = number_readings(word) if word[0].isdecimal() and not any(map(str.isalpha, word)) else ()
        words.append(readings[0] if readings else word)
    return " ".join([word for word in words if word not in _ARTICLES] or words)  # an answer may be "A"


class Source:
    """Texts in which facts are looked up; what is costly to know is found out when it is asked for."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._text = "\n".join(texts)
        self._level = level(self._text)

    @cached_property
    def words(self) -> frozenset[str]:
        """All words, levelled."""
        return frozenset(self._sequence)

    @cached_property
    def _sequence(self) -> list[str]:
        return _WORD.findall(self._level)

    @cached_property
    def _ids(self) -> frozenset[str]:
        pairs = zip(self._sequence, self._sequence[1:], strict=False)
        triples = zip(self._sequence, self._sequence[1:], self._sequence[2:], strict=False)
        return self.words | {a + b for a, b in pairs} | {a + b + c for a, b, c in triples}

    @cached_property
    def _numbers(self) -> frozenset[str]:
        found: set[str] = set()
        for match in _DIGITS.finditer(self._text):
            piece = match.group()
            date = _DATE.fullmatch(piece)
            if date is not None:
                for reading in date_readings(date):
                    numbers = reading.split("|")[1:]
                    found.update(numbers, (number[-2:] for number in numbers))
            for part in _PART.findall(piece):
                found.update(_quantity(part) or ())
                for number in re.findall(r"\d+", part):
                    found.add(number.lstrip("0") or "0")
        clock = {
            str(int(number) + 12) for number in found if len(number) < 3 and "." not in number and int(number) < 12
        }
        if re.search(r"\d\s?[ap]\.?m\b", self._level):
            found |= clock
        if re.search(r"\d:\d\d", self._level):
            found |= {
                str(int(number) - 12)
                for number in found
                if len(number) < 3 and number.isdecimal() and 12 < int(number) < 24
            }
        joined = re.findall(r"(?<![\d.,])\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)", self._text)
        found.update(re.sub(r"\D", "", number) for number in joined)
        if not self.words.isdisjoint(SOURCE_NUMBERS):
            found.update(SOURCE_NUMBERS[word] for word in self.words & SOURCE_NUMBERS.keys())
        if not (self.words.isdisjoint(NUMBERS) and self.words.isdisjoint(SCALES)):
            found.update(spelled_number(match.group()) for match in _SPELLED.finditer(self._level))
        return frozenset(found)

    @cached_property
    def _times(self) -> frozenset[str]:
        """Months and weekdays."""
        found = {MONTHS[word] for word in self.words & MONTHS.keys()}
        found |= {WEEKDAYS[word] for word in self.words & WEEKDAYS.keys()}
        for match in _DATE.finditer(self._text):
            found.update(reading.split("|")[0] for reading in date_readings(match))
        return frozenset(found)

    @cached_property
    def _stems(self) -> frozenset[str]:
        return frozenset(word[:-cut] for word in self.words for cut in (1, 2, 3) if len(word) - cut >= 4)

    @cached_property
    def _initials(self) -> frozenset[str]:
        runs = re.findall(r"[A-Z]\w*(?:[\s-](?:of\s|and\s|the\s|for\s)?[A-Z]\w*)+", self._text)
        return frozenset("".join(re.findall(r"\b[A-Z]", run)).lower() for run in runs)

    def supports(self, fact: Fact) -> bool:
        """Whether ``fact`` stands in the source, in any of its readings and formats."""
        return any(self._has(fact.kind, reading) for reading in fact.readings)

    def _has(self, kind: Kind, reading: str) -> bool:
        if kind == "number":
            return reading in self._numbers
        if kind == "date":
            month, *numbers = reading.split("|")
            return month in self._times and all(number in self._numbers for number in numbers if number)
        if kind == "address":
            place = self._level.find(reading)
            return place >= 0 and not self._level[place - 1 : place].isalnum()
        if kind == "id":
            return all(part in self._ids for part in reading.split("|"))
        return self._has_name(reading)

    def _has_name(self, name: str) -> bool:
        if name in self.words:
            return True
        shorter = [name[:-cut] for cut in (1, 2, 3) if len(name) - cut >= 4]
        if name in self._stems or not self.words.isdisjoint(shorter):  # Panther, Panthers
            return True
        if any(len(stem) >= 6 and stem in self._stems for stem in shorter):  # Germany, Germans
            return True
        return name in self._initials

    def has_nearly(self, name: str) -> bool:
        """Whether a word of the source differs from ``name`` in one letter: a slip, rather than an invention."""
        return len(name) >= 4 and any(one_edit(word, name) for word in self.words)


def one_edit(first: str, second: str) -> bool:
    """Whether one letter changed, added, left out or two neighbours exchanged make one word the other."""
    if len(first) > len(second):
        first, second = second, first
    if len(second) - len(first) > 1:
        return False
    place = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(first))
    if len(first) < len(second):
        return first[place:] == second[place + 1 :]
    swapped = first[place : place + 2] == second[place : place + 2][::-1]
    return first[place + 1 :] == second[place + 1 :] or (swapped and first[place + 2 :] == second[place + 2 :])
