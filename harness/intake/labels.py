"""Answers that are one of few labels: which they are, and whether a classification of them can be judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.exceptions import InputError
from harness.intake.columns import needed, text_of
from harness.intake.example import Row
from harness.intake.findings import shown

if TYPE_CHECKING:
    from harness.intake.shapes import Shape

MOST_LABELS = 100
"""More distinct values are answers, unless the user calls them labels; the instruction lists them all."""
LONGEST = 60
"""Characters of a label, unless the user calls it one."""
_WORDS = 4
_ROWS_EACH = 5
"""An answer column without a label's name is one of labels where there are this many rows to each value."""


def few_labels(
    rows: Sequence[Row], shape: Shape, said: str | None, *, judge: bool = True
) -> tuple[tuple[str, ...], str]:
    """The labels of a classification, in alphabetical order, and why there are none where one might expect some.

    Args:
        said: the column that the user calls one of labels.
        judge: whether labels that cannot be used are refused.

    Returns:
        No labels where the answers are none; the reason, one line, is empty where nothing promised labels.

    Raises:
        InputError: a column of labels has an empty one, labels differ by case alone, or fewer than two labels have
            more than one row; names rows.
    """
    plain = ("prompt and answer", "question, context and answer", "instruction, input and output", "text and label")
    named = said is not None or shape.kind == "text and label"
    if shape.kind not in plain or (not named and any(not isinstance(r.values.get(shape.answer), str) for r in rows)):
        return (), ""
    if any(isinstance(row.values.get(shape.answer), list | dict) for row in rows):
        return (), f"'{shape.answer}' holds lists, not labels: no classification" if named else ""
    places: dict[str, list[Row]] = {}
    for row in rows:
        places.setdefault(needed(row, shape.answer) if judge else text_of(row.values, shape.answer) or "", []).append(
            row
        )
    why = _no_labels(places, len(rows), shape.answer, said is not None)
    if why or (not named and not _repeated(places, len(rows))):
        return (), why if named else ""
    if judge and len(rows) > 1:  # of one row the card says what is wrong
        _check(places, shape.answer)
    return tuple(sorted(places)), ""


def _no_labels(places: dict[str, list[Row]], rows: int, column: str, said: bool) -> str:
    """Why the values of a column are no labels, one line; empty where they may be some."""
    as_answers = f"taken as free answers, not as labels (--label {column} overrules that)"
    if many := next((label for label in places if "\n" in label), None):
        return f"'{column}' has values of several lines ({places[many][0].place}): taken as free answers, not as labels"
    if len(places) > max(2, rows // 2):  # a title or a name, whatever the column is called
        return f"'{column}' has {len(places):,} values in {rows:,} rows: taken as free answers, not as labels"
    if len(places) > MOST_LABELS and not said:
        return f"'{column}' has {len(places):,} values, more than {MOST_LABELS}: {as_answers}"
    if not said and (long := next((label for label in places if len(label) > LONGEST), None)):
        return f"'{column}' has values of more than {LONGEST} characters ({places[long][0].place}): {as_answers}"
    return ""


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
                f"{rows[0].place}: label '{shown(label, 60)}' and '{shown(other, 60)}' ({places[other][0].place}) "
                "differ by case or spacing only; write them alike"
            )
    if len(places) < 2:
        label = shown(next(iter(places)), 60)
        raise InputError(f"'{column}' has one label only, '{label}'; a classification needs two, or name --answer")
    single = {label: rows[0] for label, rows in places.items() if len(rows) == 1}
    if single and len(places) - len(single) < 2:
        label, row = next(iter(single.items()))
        raise InputError(
            f"{row.place}: label '{shown(label, 60)}' has this one row, which cannot be in training and in evaluation "
            "too; add rows of it, or drop it"
        )
