"""Single fields and columns: empty, cut off, ids given twice, labels spelled in several ways, formulas, languages."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.intake.example import Example, Row
from harness.storage import canonical_json

SAMPLED = 2_000
"""Most examples whose language is detected."""
SURE = 0.8
"""Confidence below which a language counts as unsure."""
SHORTEST = 4
"""Words of running text below which no language is told."""
CUT_LENGTH = 50
"""Characters below which an answer without an end is short, not cut."""
CUT_ANSWERS = 3
"""Answers of exactly the greatest length from which that length is a limit somebody set."""
_LEAST = {"characters": CUT_LENGTH, "words": 20, "tokens": 16}  # shorter ones agree by chance
_ENDS = frozenset(".!?\u2026\u3002\uff01\uff1f\u0964\u061f\"'`)]}>;:*|\u201d\u2019\u00bb%")
_ID = re.compile(r"(?i)_?(?:id|uid|uuid|guid|(?:item|row|example|sample|question|doc|document)_?id)")
_SPREADSHEET = re.compile(r"(?i)\.[ct]sv(?:\b|:)")
_NUMBER = re.compile(r"[+-]?\s?[\d.,\s]+(?:[eE][+-]?\d+)?\s?[%\u20ac$\u00a3]?")


@dataclass(frozen=True)
class Spelling:
    """A label that is written in several ways: the most frequent one first, and how often each stands there.

    Attributes:
        column: where the labels stand; ``None`` where they are not a column of their own.
        written: each spelling and its count.
        rows: those with another spelling than the first.
    """

    column: str | None
    written: tuple[tuple[str, int], ...]
    rows: tuple[Row, ...]


def empty_prompts(examples: Sequence[Example]) -> list[Example]:
    """Examples that ask nothing: no prompt, and no instruction but what more than half of all have."""
    blank = [example for example in examples if not example.prompt.strip()]
    if not blank:
        return []
    shared = Counter(example.instruction.strip() for example in examples)
    return [
        example
        for example in blank
        if not example.instruction.strip()
        or (len(examples) > 1 and 2 * shared[example.instruction.strip()] > len(examples))
    ]


def empty_answers(examples: Sequence[Example]) -> list[Example]:
    """Examples without a right answer."""
    return [example for example in examples if not example.answer.strip()]


def cut_answers(
    examples: Sequence[Example], tokens: Sequence[int] | None = None
) -> tuple[list[Example], str, int] | None:
    """Answers that end in the middle of a sentence at a length that several share: the mark of a limit.

    Args:
        examples: any.
        tokens: each answer's length in tokens, where a tokenizer is known.

    Returns:
        The answers, the unit of the limit (``characters``, ``words`` or ``tokens``) and the limit; ``None`` where there
        is no such length.
    """
    long = [place for place, example in enumerate(examples) if not example.label and len(example.answer) >= CUT_LENGTH]
    units: dict[str, Callable[[int], int]] = {
        "characters": lambda place: len(examples[place].answer),
        "words": lambda place: len(examples[place].answer.split()),
    }
    if tokens is not None:
        units["tokens"] = lambda place: tokens[place]
    for unit, length in units.items():
        lengths = Counter(map(length, long))
        if not lengths:
            return None
        limit = max(lengths)
        if lengths[limit] < CUT_ANSWERS or limit < _LEAST[unit]:
            continue
        others = [examples[place].answer for place in long if length(place) != limit]
        if 2 * sum(map(ends, others)) < len(others):
            continue  # answers of this file do not end as sentences do
        cut = [examples[place] for place in long if length(place) == limit and not ends(examples[place].answer)]
        if len(cut) >= CUT_ANSWERS and 2 * len(cut) >= lengths[limit]:
            return cut, unit, limit
    return None


def ends(answer: str) -> bool:
    """Whether an answer ends as a sentence, a quotation, a list or code ends."""
    return answer.rstrip()[-1:] in _ENDS


def id_columns(rows: Sequence[Row]) -> list[str]:
    """Columns that are named as an id is."""
    names = dict.fromkeys(name for row in rows for name in row.values)
    return [name for name in names if _ID.fullmatch(str(name).strip())]


def duplicate_ids(rows: Sequence[Row], column: str) -> tuple[list[Row], int]:
    """Rows of one split under an id that an earlier row with other content has, and how many ids there are."""
    first: dict[tuple[object, str], str] = {}
    repeated = []
    for row in rows:
        value = row.values.get(column)
        if value is None or value == "":
            continue
        content = _content(row.values)
        if first.setdefault((row.split, str(value)), content) != content:
            repeated.append(row)
    return repeated, len(first)


def _content(values: Mapping[str, Any]) -> str:
    try:
        return canonical_json(dict(values))
    except (ValueError, TypeError, RecursionError):  # NaN, or a value of Parquet that JSON has not
        return repr(sorted(values.items(), key=lambda pair: str(pair[0])))


def fold_label(label: str) -> str:
    """A label without case and blanks: equal for spellings of one label."""
    return "".join(unicodedata.normalize("NFC", label).casefold().split())


def label_column(examples: Sequence[Example]) -> str | None:
    """The column that the labels stand in, as far as it can be told from the values; else ``None``."""
    labelled = [example for example in examples if example.label]
    if not labelled:
        return None
    for column in labelled[0].row.values:
        if all(
            isinstance(value := example.row.values.get(column), str) and fold_label(value) == fold_label(example.answer)
            for example in labelled
        ):
            return column
    return None


def spellings(examples: Sequence[Example]) -> list[Spelling]:
    """Labels that are written in several ways, which differ in case or blanks alone."""
    labelled = [example for example in examples if example.label and example.answer.strip()]
    column = label_column(labelled)
    rows: dict[str, dict[str, list[Row]]] = {}
    for example in labelled:
        written = example.answer if column is None else str(example.row.values[column])
        rows.setdefault(fold_label(written), {}).setdefault(written, []).append(example.row)
    found = []
    for ways in rows.values():
        if len(ways) > 1:
            ranked = sorted(ways.items(), key=lambda pair: -len(pair[1]))
            other = tuple(row for _, given in ranked[1:] for row in given)
            found.append(Spelling(column, tuple((way, len(given)) for way, given in ranked), other))
    return found


def formulas(rows: Sequence[Row]) -> list[Row]:
    """Rows of a CSV or TSV file with a cell that a spreadsheet would run: it begins with ``= + - @``, tab or return.

    Numbers do not count. OWASP, "CSV Injection".
    """
    return [
        row
        for row in rows
        if _SPREADSHEET.search(row.place)
        and any(isinstance(cell, str) and is_formula(cell) for cell in row.values.values())
    ]


def is_formula(cell: str) -> bool:
    """Whether a spreadsheet would take the cell for a formula."""
    return cell[:1] in ("=", "+", "-", "@", "\t", "\r") and len(cell) > 1 and not _NUMBER.fullmatch(cell)


def languages(examples: Sequence[Example]) -> tuple[dict[str, int], int]:
    """Languages of the prompts, most frequent first, and how many were looked at: an even sample of `SAMPLED`.

    ``unsure`` is below `SURE`, ``too short`` below `SHORTEST` words of running text.

    Raises:
        ImportError: py3langid is not installed.
    """
    from harness.errors.languages import detect, running_text

    sampled = examples
    if len(examples) > SAMPLED:
        sampled = [examples[place * len(examples) // SAMPLED] for place in range(SAMPLED)]
    counts: Counter[str] = Counter()
    for example in sampled:
        words = running_text(f"{example.prompt}\n{'' if example.label else example.answer}")
        if len(words.split()) < SHORTEST:
            counts["too short"] += 1
            continue
        language = detect(words)
        counts[language.code if language.confidence >= SURE else "unsure"] += 1
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))), len(sampled)
