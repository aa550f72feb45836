"""What is wrong with a user's file: one problem a check, with what to do about it, and which checks stop the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from harness.intake.secrets import mask
from harness.reporting.escape import visible
from harness.reporting.formatting import plural

Check = Literal[
    "no_usable_row",
    "refused_rows",
    "too_few_rows",
    "empty_role",
    "identical_splits",
    "leakage",
    "conflicting_labels",
    "conflicting_answers",
    "near_conflicts",
    "exact_duplicates",
    "near_duplicates",
    "rare_class",
    "label_spelling",
    "one_class",
    "majority_class",
    "duplicate_ids",
    "chat_format",
    "unusable_rows",
    "empty_prompt",
    "empty_answer",
    "cut_answers",
    "over_context",
    "private_data",
    "formulas",
    "small_gate",
    "languages",
]

NAMED = 3
"""Rows that a message names."""
EXCERPT = 160
"""Characters of a text that a card quotes, after masking."""


@dataclass(frozen=True)
class Problem:
    """Something found in a file.

    Attributes:
        check: which check found it; the names stand in docs/data-card.md.
        stops: whether the work stops (exit code 2) or goes on with a warning.
        count: rows that it concerns, at least 1 (0 where it is about rows that are not there).
        message: what is the matter, on one line, private data masked.
        remedy: what to do, as an order.
        places: up to `NAMED` of the rows, as ``file:line``.
    """

    check: Check
    stops: bool
    count: int
    message: str
    remedy: str
    places: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """All of it on one line, without control characters."""
        named = ", ".join(self.places)
        if named and self.count > len(self.places):
            named += f" and {self.count - len(self.places):,} more"
        return visible(f"{self.message}{f' ({named})' if named else ''}; {self.remedy}").replace("\n", " ")


@dataclass(frozen=True)
class Sample:
    """A row that is shown as an example.

    Attributes:
        places: where it stands; of a pair both.
        text: what is to be seen, at most about `EXCERPT` characters a row, private data masked.
    """

    places: tuple[str, ...]
    text: str


def one_masked_line(text: str) -> str:
    """``text`` on one line, masked before and after it is joined (a line break can part a number), and visible."""
    return visible(mask(" ".join(mask(text).split())))


def shown(text: str, limit: int = EXCERPT) -> str:
    """The beginning of ``text`` as a card may quote it."""
    line = one_masked_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def shown_end(text: str, limit: int = EXCERPT) -> str:
    """The end of ``text`` as a card may quote it."""
    line = one_masked_line(text)
    return line if len(line) <= limit else "…" + line[1 - limit :].lstrip()


def shown_around(text: str, mark: str, limit: int = EXCERPT) -> str:
    """What stands around the first ``mark`` in ``text`` after masking."""
    line = one_masked_line(text)
    start = max(0, line.find(mark) - limit // 2)
    piece = line[start : start + limit]
    return f"{'…' if start else ''}{piece.strip()}{'…' if start + limit < len(line) else ''}"


def first(places: Sequence[str]) -> tuple[str, ...]:
    """The rows that a message names."""
    return tuple(places[:NAMED])


def rows_are(count: int) -> str:
    """``1 row is``, ``7 rows are``."""
    return f"{plural(count, 'row')} {'is' if count == 1 else 'are'}"
