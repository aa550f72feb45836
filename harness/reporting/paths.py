"""What a round's candidate did on each dev item, read from disk without the rest: for cells, next steps and paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.diagnosis import UNCLASSIFIED
from harness.evaluated import ERRORS, RESPONSES, Evaluation
from harness.exceptions import InputError
from harness.gate.migration import RIGHT
from harness.gate.pairing import RIGHT as RIGHT_FROM


@dataclass(frozen=True)
class DevAnswers:
    """One model on the dev items that it was asked.

    Attributes:
        states: item id to `harness.gate.migration.RIGHT` or the primary category of its error.
        wrong: item id to response, of the items that are not right.
    """

    states: Mapping[str, str]
    wrong: Mapping[str, str]


def answers_of(evaluation: Evaluation) -> DevAnswers:
    """The same of an evaluation that is in memory."""
    primary = {record.item_id: record.primary for record in evaluation.errors}
    rows = [(result.item_id, result.correct, result.response) for result in evaluation.results]
    return _answers(rows, primary)


def read_answers(folder: Path) -> DevAnswers:
    """The same of an evaluation on disk, of which four columns are read.

    Raises:
        InputError: a file is missing or damaged; names it.
    """
    responses = _columns(folder / RESPONSES, ("item_id", "correct", "response"))
    errors = _columns(folder / ERRORS, ("item_id", "primary"))
    primary = dict(zip(errors["item_id"], errors["primary"], strict=True))
    rows = zip(responses["item_id"], responses["correct"], responses["response"], strict=True)
    return _answers([(str(item), float(correct), str(text)) for item, correct, text in rows], primary)


def _answers(rows: list[tuple[str, float, str]], primary: Mapping[str, str | None]) -> DevAnswers:
    states = {
        item: RIGHT if correct >= RIGHT_FROM else str(primary.get(item) or UNCLASSIFIED) for item, correct, _ in rows
    }
    return DevAnswers(states, {item: text for item, _, text in rows if states[item] != RIGHT})


def _columns(path: Path, names: tuple[str, ...]) -> dict[str, list[Any]]:
    from pyarrow import parquet

    try:
        found: dict[str, list[Any]] = parquet.read_table(path, columns=list(names)).to_pydict()
        if set(found) != set(names):
            raise ValueError(f"no column {sorted(set(names) - set(found))[0]}")
    except Exception as error:  # pyarrow raises many kinds; each means the same to the user
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: missing or damaged ({reason})") from error
    return found
