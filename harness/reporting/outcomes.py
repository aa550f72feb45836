"""What became of each item in one evaluation: for cells, next steps and the path of an item through the rounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.diagnosis import UNCLASSIFIED
from harness.evaluated import Evaluation, load_outcomes
from harness.gate.migration import RIGHT
from harness.gate.pairing import RIGHT as RIGHT_FROM


@dataclass(frozen=True)
class Outcomes:
    """One model on the items that it was asked.

    Attributes:
        states: item id to `harness.gate.migration.RIGHT` or the primary category of its error.
        wrong: item id to response, of the items that are not right.
    """

    states: Mapping[str, str]
    wrong: Mapping[str, str]


def outcomes_of(evaluation: Evaluation) -> Outcomes:
    """Those of an evaluation that is in memory."""
    primary = {record.item_id: record.primary for record in evaluation.errors}
    return _outcomes(
        (result.item_id, result.correct, result.response, primary.get(result.item_id)) for result in evaluation.results
    )


def read_outcomes(folder: Path) -> Outcomes:
    """Those of an evaluation on disk, of which no more is read.

    Raises:
        InputError: a file is missing or damaged; names it.
    """
    return _outcomes(load_outcomes(folder))


def _outcomes(rows: Iterable[tuple[str, float, str, str | None]]) -> Outcomes:
    states, wrong = {}, {}
    for item, correct, response, primary in rows:
        states[item] = RIGHT if correct >= RIGHT_FROM else primary or UNCLASSIFIED
        if states[item] != RIGHT:
            wrong[item] = response
    return Outcomes(states, wrong)
