"""The baseline in the user's repository: ``baselines/<domain>.json``, made to be read and merged by people."""

from __future__ import annotations

from pathlib import Path

from harness.config import Settings
from harness.regression.answers import AnswerSet

SCHEMA = "lm-eval-ratchet/baseline/1"


def baseline_path(settings: Settings) -> Path:
    """Where the domain's baseline lies: in the folder ``baselines`` beside ``harness.yaml``, else of the current one."""
    raise NotImplementedError


def write_baseline(path: Path, answers: AnswerSet) -> None:
    """Write ``answers`` as a baseline, atomically; a file that is there is replaced.

    Raises:
        EnvironmentFault: the folder cannot be written or the disk is full.
    """
    raise NotImplementedError


def read_baseline(path: Path) -> AnswerSet:
    """Read what `write_baseline` wrote. ``prompt``, ``target`` and ``seconds`` are not kept in it.

    Raises:
        InputError: the file is missing, damaged, in conflict after a merge, or of another schema; names the line.
    """
    raise NotImplementedError


def comparable(baseline: AnswerSet, now: AnswerSet) -> None:
    """Refuse a baseline that answers something else than ``now``.

    Raises:
        InputError: items, tasks, prompts, classifier versions or settings differ; names the difference.
    """
    raise NotImplementedError
