"""Answers that are one of few labels: which they are, and whether a classification of them can be judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.exceptions import InputError
from harness.intake.columns import needed, text_of
from harness.intake.example import Row

if TYPE_CHECKING:
    from harness.intake.shapes import Shape

MOST_LABELS = 100
"""More distinct values are answers; an instruction that lists them all would be longer than most questions."""
LONGEST = 60
"""Characters of a label."""
_WORDS = 4
_ROWS_EACH = 5
"""An answer column without a label's name is one of labels where there are this many rows to each value."""


def few_labels(rows: Sequence[Row], shape: Shape, named: bool, *, judge: bool = True) -> tuple[str, ...]:
    """The labels of a classification, in alphabetical order; empty where the answers are no labels.

    Args:
        named: whether the column says that it holds labels, by its name or by the user.
        judge: whether labels that cannot be used are refused.

    Raises:
        InputError: a column of labels has an empty one, labels differ by case alone, or fewer than two labels have
            more than one row; names rows.
    """
    plain = ("prompt and answer", "question, context and answer", "instruction, input and output", "text and label")
    if shape.kind not in plain or (not named and any(not isinstance(r.values.get(shape.answer), str) for r in rows)):
        return ()
    if any(isinstance(row.values.get(shape.answer), list | dict) for row in rows):
        return ()
    places: dict[str, list[Row]] = {}
    for row in rows:
        places.setdefault(needed(row, shape.answer) if judge else text_of(row.values, shape.answer) or "", []).append(
            row
        )
    few = len(places) <= MOST_LABELS and all(len(label) <= LONGEST and "\n" not in label for label in places)
    if not few or (not named and not _repeated(places, len(rows))):
        return ()
    if named and len(places) > max(2, len(rows) // 2):
        return ()  # nearly as many values as rows: a title or a name, whatever the column is called
    if judge:
        _check(places, shape.answer)
    return tuple(sorted(places))


def _repeated(places: dict[str, list[Row]], rows: int) -> bool:
    return (
        len(places) >= 2
        and len(places) * _ROWS_EACH <= rows
        and all(len(label.split()) <= _WORDS and any(char.isalpha() for char in label) for label in places)
    )


def _check(places: dict[str, list[Row]], column: str) -> None:
    if "" in places:
        raise InputError(f"{places[''][0].place}: '{column}' is empty; give the row its label, or drop it")
    by_case: dict[str, str] = {}
    for label, rows in places.items():
        other = by_case.setdefault(" ".join(label.casefold().split()), label)
        if other != label:
            raise InputError(
                f"{rows[0].place}: label {label!r} and {other!r} ({places[other][0].place}) differ by case or spacing "
                "only; write them alike"
            )
    if len(places) < 2:
        (label,) = places
        raise InputError(f"'{column}' has one label only, {label!r}; a classification needs two, or name --answer")
    single = {label: rows[0] for label, rows in places.items() if len(rows) == 1}
    if single and len(places) - len(single) < 2:
        label, row = next(iter(single.items()))
        raise InputError(
            f"{row.place}: label {label!r} has this one row, which cannot be in training and in evaluation too; "
            "add rows of it, or drop it"
        )
