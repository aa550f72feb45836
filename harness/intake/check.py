"""A file as the checks see it: every row that can be an example is one, and for the others it is known why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.exceptions import InputError
from harness.intake.columns import Columns
from harness.intake.example import Example, Row
from harness.intake.shapes import Shape, recognise


@dataclass(frozen=True)
class Taken:
    """Rows and what they were taken for.

    Attributes:
        shape: what they are.
        examples: in the order of the rows.
        refused: rows that are no examples though the others are, and why, each naming its row.
    """

    shape: Shape
    examples: tuple[Example, ...]
    refused: tuple[tuple[Row, InputError], ...]


def take(rows: Sequence[Row], columns: Columns | None = None) -> Taken:
    """Recognise ``rows`` and read each for itself, so that one that is wrong does not hide the others.

    Raises:
        InputError: no shape fits, or a named column is missing.
    """
    shape = recognise(rows, columns, judge=False)
    examples: list[Example] = []
    refused = []
    for row in rows:
        try:
            examples += shape.examples([row])
        except InputError as error:
            refused.append((row, error))
    return Taken(shape, tuple(examples), tuple(refused))
