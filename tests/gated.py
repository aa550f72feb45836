"""A project with gates: saved answers whose outcomes are chosen, a harness.yaml, a baseline, an inner pytest."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

# An inner pytest in this process forgets what was loaded since it began, and pyarrow refuses to be extended twice.
import pandas.core.arrays.arrow.extension_types  # noqa: F401

import harness.pytest_gates  # noqa: F401
from harness.errors.contract import ErrorLabel, ErrorRecord
from harness.evaluated import Evaluation, save_evaluation
from harness.evaluation.items import ItemResult
from harness.regression.baseline_file import write_baseline
from harness.regression.read import read_answers

ITEMS = 200
SKILLS = ("add", "reverse")
# In a source tree without an installed package nothing registers the plugin.
PLUGIN = [] if list(entry_points(group="pytest11", name="harness")) else ["-p", "harness.pytest_plugin"]


def item(number: int) -> str:
    """Its id."""
    return f"{number:016x}"


def save_answers(folder: Path, right: Callable[[int], bool], items: int = ITEMS, said: str = "no idea") -> Path:
    """An evaluation on disk: even items are of skill ``add``, odd ones of ``reverse``; wrong ones say ``said``."""
    results = tuple(
        ItemResult(
            item_id=item(number),
            task="toy",
            skill=SKILLS[number % 2],
            cluster=item(number),
            doc={"input": f"question {number}"},
            prompt=f"question {number}",
            target=f"answer {number}",
            response=f"answer {number}" if right(number) else said,
            finish_reason="stop",
            correct=float(right(number)),
            metrics={"exact_match": float(right(number))},
            new_tokens=3,
        )
        for number in range(items)
    )
    errors = tuple(
        ErrorRecord(each.item_id, None, ()) if each.correct else
        ErrorRecord(each.item_id, "wrong_answer", (ErrorLabel("wrong_answer", 1.0),))
        for each in results
    )  # fmt: skip
    save_evaluation(folder, Evaluation("dev", results, errors, 10.0))
    return folder


def four_of_five(number: int) -> bool:
    """80% right in either skill."""
    return number // 2 % 5 != 0


def three_of_five(number: int) -> bool:
    """60% right: what `four_of_five` has wrong, and as much again."""
    return number // 2 % 5 > 1


def write_project(folder: Path, gates: str = "gates:\n  - no_regression:\n") -> Path:
    """``harness.yaml`` with ``gates``, and saved answers ``good`` (80%) and ``bad`` (60%)."""
    (folder / "harness.yaml").write_text(f"domain: toy\nguard: ''\n{gates}")
    save_answers(folder / "good", four_of_five)
    save_answers(folder / "bad", three_of_five)
    return folder


def keep_baseline(folder: Path, saved: str = "good") -> Path:
    """The baseline of a project, of its saved answers."""
    path = folder / "baselines" / "toy.json"
    write_baseline(path, read_answers(folder / saved))
    return path
