"""repetitive: the response loops, over characters, over words, or by restating the same sentences.

Three rules, their thresholds measured on written answers (the figures are in `docs/classifiers.md`):

- characters: a unit of 1 to 40 characters without spaces, at least 4 times in a row, 20 characters beyond the first
  (32 for digits; punctuation counts where it is half of the response);
- words: a unit of 1 to 64 words at least 3 times in a row, 8 words beyond the first;
- sentences: sentences or lines of 3 or more words that stand there at least 3 times, a third of all words restated.

Words are numbered and written as one character each, so that a back-reference of the regular expression engine finds
loops of words as it finds loops of characters. Unit lengths and the text looked at are bounded: linear time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors.contract import ErrorLabel
from harness.errors.jsontext import is_json_document, string_spans
from harness.errors.text import WORD, quote, visible_span
from harness.evaluation.items import ItemResult

WINDOW = 20_000  # characters looked at from the beginning and from the end; a loop runs on, so it reaches one of them
CHARACTERS_BEYOND = 20  # characters beyond the first unit
DIGITS_BEYOND = 32  # the same for digits: 1/3 is .333..., ids are padded with zeros
WORDS_BEYOND = 8
SENTENCE_WORDS = 3
SENTENCE_COPIES = 3
RESTATED_SHARE = 1 / 3
TARGET_TIMES = 2  # a target that loops excuses loops up to twice as long as its own

_CHARACTER_LOOP = re.compile(r"(\S{1,40}?|\W{2,8}?)\1{3,}")  # the second unit for ". . . ." and the like
_WORD_LOOP = re.compile(r"(.)\1{8,}|(..)\2{4,}|(...)\3{3,}|(.{4,64}?)\4{2,}", re.DOTALL)
_SENTENCE = re.compile(r"(?:[^\n.!?\u3002\uff01\uff1f]|[.!?](?=\S))++")  # the stop in "10.5" ends nothing
_LIST_NUMBER = re.compile(r"\s*+\(?\d{1,3}[):]\s")  # "1." is parted from its line by the stop
_FIRST_CODE = 0x100


@dataclass(frozen=True)
class Loop:
    """A repetition.

    Attributes:
        start, end: its character range.
        beyond: characters of it beyond the first unit, the measure of how much is repeated.
        reason: one line.
    """

    start: int
    end: int
    beyond: int
    reason: str


class Repetitive:
    """Sees loops; excuses what the target or the prompt says itself, and the regular parts of a JSON document."""

    name = "repetitive"
    version = "1"
    categories: tuple[str, ...] = ("repetitive",)

    def classify(self, item: ItemResult) -> list[ErrorLabel]:
        """One label over the longest loop; confidence .5 to 1 with the share of the response that loops."""
        visible = visible_span(item.response)
        loop = find_loop(item.response)
        if visible is None or loop is None:
            return []
        if item.response[loop.start : loop.end] in item.prompt:  # quoted, not looped
            return []
        excused = find_loop(item.target)
        if excused is not None and loop.beyond <= TARGET_TIMES * excused.beyond:
            return []
        share = min(1.0, (loop.end - loop.start) / (visible[1] - visible[0]))
        return [ErrorLabel("repetitive", round(0.5 + 0.5 * share, 3), (loop.start, loop.end), loop.reason)]


def find_loop(text: str) -> Loop | None:
    """The repetition in ``text`` with the most characters beyond its first unit; ``None`` where there is none."""
    found: list[Loop] = []
    for offset in (0,) if len(text) <= 2 * WINDOW else (0, len(text) - WINDOW):
        window = text[offset : offset + (2 * WINDOW if len(text) <= 2 * WINDOW else WINDOW)]
        found += [
            Loop(loop.start + offset, loop.end + offset, loop.beyond, loop.reason)
            for rule in (_character_loops, _word_loops, _restatements)
            for loop in rule(window)
        ]
    if found and is_json_document(text):
        # Keys recur in an honest list of objects, and numbers in a matrix: only what loops inside one string counts.
        literals = string_spans(text)
        found = [loop for loop in found if any(start <= loop.start and loop.end <= end for start, end in literals)]
    return max(found, key=lambda loop: (loop.beyond, -loop.start), default=None)


def _character_loops(text: str) -> Iterator[Loop]:
    for match in _CHARACTER_LOOP.finditer(text):
        unit = match.group(1)
        beyond = len(match.group()) - len(unit)
        if not unit.strip() or beyond < (DIGITS_BEYOND if unit.isdigit() else CHARACTERS_BEYOND):
            continue
        if not any(character.isalnum() for character in unit) and 2 * len(match.group()) < len(text.strip()):
            continue  # a rule, a table's edge, leader dots: decoration, unless it is most of the text
        copies = len(match.group()) // len(unit)
        yield Loop(match.start(), match.end(), beyond, f"{quote(unit)} {copies} times in a row")


def _word_loops(text: str) -> Iterator[Loop]:
    words = list(WORD.finditer(text))
    if len(words) <= WORDS_BEYOND:
        return
    codes: dict[str, int] = {}
    coded = "".join(chr(_FIRST_CODE + codes.setdefault(word.group().casefold(), len(codes))) for word in words)
    for match in _WORD_LOOP.finditer(coded):
        unit = len(next(group for group in match.groups() if group))
        first, last = words[match.start()], words[match.end() - 1]
        beyond = last.end() - words[match.start() + unit].start()
        copies = (match.end() - match.start()) // unit
        shown = text[first.start() : words[match.start() + unit - 1].end()]
        yield Loop(first.start(), last.end(), beyond, f"{quote(shown)} {copies} times in a row")


def _restatements(text: str) -> Iterator[Loop]:
    if text.lstrip()[:1] in ("{", "["):  # cut-off JSON: its lines recur by nature
        return
    total = 0
    sentences: list[tuple[str, int, int, int]] = []
    for match in _SENTENCE.finditer(text):
        words = [word.group().casefold() for word in WORD.finditer(match.group())]
        total += len(words)
        if words and _LIST_NUMBER.match(match.group()):
            words = words[1:]
        if len(words) >= SENTENCE_WORDS:
            sentences.append((" ".join(words), len(words), match.start(), match.end()))
    counts = Counter(sentence for sentence, _, _, _ in sentences)
    looped = [sentence for sentence in sentences if counts[sentence[0]] >= SENTENCE_COPIES]
    if not looped:
        return
    sizes = {sentence: words for sentence, words, _, _ in looped}
    restated = sum((counts[sentence] - 1) * words for sentence, words in sizes.items())
    if restated < WORDS_BEYOND or restated < RESTATED_SHARE * total:
        return
    firsts = {sentence: end - start for sentence, _, start, end in reversed(looped)}
    beyond = sum(end - start for _, _, start, end in looped) - sum(firsts.values())
    most = max(sizes, key=lambda sentence: (counts[sentence] * sizes[sentence], sentence))
    yield Loop(looped[0][2], looped[-1][3], beyond, f"{quote(most)} said {counts[most]} times")
