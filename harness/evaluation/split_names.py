"""Splits that a task file names and its data have not, with the line and the nearest name."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.evaluation.task_files import TaskFile, read_task_file
from harness.exceptions import InputError, did_you_mean

_KEYS = ("training_split", "validation_split", "test_split")


def check_splits(name: str, task: Any, path: Path | None) -> None:
    """Refuse a split of a loaded lm-eval task that its data lack.

    Args:
        path: the file that defines the task.

    Raises:
        InputError: names file and line, and the nearest split.
    """
    data = getattr(task, "dataset", None)
    if not isinstance(data, Mapping):
        return
    for key in _KEYS:
        split = getattr(task.config, key, None)
        if split is not None and split not in data:
            place = _place(path, key) if path is not None else f"task '{name}'"
            raise InputError(f"{place}: {key} is '{split}', a split that the data lack.{did_you_mean(split, data)}")


def task_that_failed(error: BaseException) -> Any:
    """The lm-eval task in whose making ``error`` came up, with its data already there; else ``None``.

    lm-eval makes a task and fails on the split in one go, and keeps no hold of it; the frames of the error do.
    """
    made = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__))
    return next((task for task in made if hasattr(task, "dataset") and hasattr(task, "config")), None)


def _place(path: Path, key: str) -> str:
    for file in _with_includes(path, set()):
        if key in file.values:
            return file.place(key)
    return str(path)


def _with_includes(path: Path, seen: set[Path]) -> Iterator[TaskFile]:
    """The file, then those that it includes, the last one first: later ones win over earlier ones."""
    if path.resolve() in seen or not path.is_file():
        return
    seen.add(path.resolve())
    file = read_task_file(path)
    yield file
    for included in reversed(file.includes()):
        yield from _with_includes(included, seen)
