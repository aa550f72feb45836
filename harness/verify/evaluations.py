"""Saved evaluations: each read once, its scores and counts recomputed from what its items have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.evaluated import SCORES, Evaluation, load_evaluation, scores
from harness.evaluation.choices import GOLDS, PREFIX
from harness.evaluation.items import ItemResult, item_id
from harness.exceptions import HarnessError, InputError
from harness.loop.run import categories
from harness.storage import read_json
from harness.verify.findings import UNREADABLE, Findings, common, is_sealed


class Evaluations:
    """A run's evaluations, each read from the disk once.

    Args:
        root: the run directory.
        current: whether the files have all that this version writes; of older ones what they have is compared.
    """

    def __init__(self, root: Path, findings: Findings, current: bool = True) -> None:
        self._root, self._findings, self._current = root, findings, current
        self._read: dict[Path, Evaluation] = {}

    def load(self, folder: Path) -> Evaluation:
        """The evaluation in ``folder``.

        Raises:
            InputError: a file is missing or damaged; names it. Or the folder is none of the run's.
        """
        if folder not in self._read:
            where = folder.relative_to(self._root)
            if ".." in where.parts:
                raise InputError(f"{where}: is no folder of the run")
            try:
                self._read[folder] = load_evaluation(folder)
            except (HarnessError, *UNREADABLE) as error:
                if is_sealed(where.as_posix()):  # what cannot be read is not quoted either
                    raise InputError(f"{where}: missing or damaged") from error
                raise
        return self._read[folder]

    def known(self) -> Mapping[Path, Evaluation]:
        """What was read so far, by folder."""
        return self._read

    def check(self, folder: Path, result: Mapping[str, Any]) -> None:
        """Recompute the scores in ``folder``, of a phase that came to ``result``; labels are another's (`labels`)."""
        where = folder.relative_to(self._root).as_posix()
        with self._findings.attempt(where, "evaluation"):
            evaluation = self.load(folder)
            self._findings.checked["evaluations"] += 1
            self._findings.checked["responses"] += len(evaluation.results)
            self._check_scores(where, evaluation)
            found, expected = read_json(folder / SCORES), scores(evaluation)
            expected = expected if self._current else common(expected, found)
            self._findings.equal("scores", f"{where}/{SCORES}", "content", expected, found)
            if result.get("score") is not None:
                found = {key: result[key] for key in ("score", "categories") if key in result}
                expected = {"score": evaluation.score.as_dict(), "categories": categories(evaluation)}
                self._findings.equal("scores", where, "result of the phase", expected, found, only=found)

    def _check_scores(self, where: str, evaluation: Evaluation) -> None:
        """Each item's id, skill and cluster, and its score as far as that can be told without the task's own code."""
        findings = self._findings
        for result in evaluation.results:
            place = f"{where}/responses.parquet"
            if item_id(result.task, result.doc) != result.item_id:
                findings.mismatch(place, "item id", item_id(result.task, result.doc), result.item_id)
            for what, expected, found in (
                ("skill", result.doc.get("skill"), result.skill),  # without one the task's, which its code may name
                ("cluster", result.doc.get("cluster") or result.item_id, result.cluster),
            ):
                if expected and str(expected) != found:
                    findings.mismatch(place, f"{what} of item {result.item_id}", str(expected), found)
            if not 0.0 <= result.correct <= 1.0:
                findings.mismatch(place, f"score of item {result.item_id}", "0 to 1", result.correct)
            if (
                chosen(result)
                and result.metrics.get(GOLDS, 1) == 1
                and not re.fullmatch(r"\[.*\]", result.target, re.DOTALL)
            ):
                findings.checked["scores of multiple choice, from response and target"] += 1
                if result.correct >= 1.0 and result.response != result.target:
                    findings.mismatch(place, f"score of item {result.item_id}", 0.0, result.correct)
            else:
                findings.checked["scores taken from the task's own metrics as saved"] += 1
        for task in sorted({result.task for result in evaluation.results}):
            own = [result for result in evaluation.results if result.task == task]
            if not main_metrics(own):
                findings.mismatch(
                    f"{where}/responses.parquet", f"scores of task {task}", "one of its metrics", "another number"
                )


def chosen(result: ItemResult) -> bool:
    """Whether ``result`` is of multiple choice by ``acc``: the response is then the ending that was found likeliest."""
    accuracy = result.metrics.get("acc")
    return result.new_tokens == 0 and result.finish_reason == "stop" and accuracy == result.correct


def main_metrics(results: Sequence[ItemResult]) -> list[str]:
    """The metrics that, cut to 0 and 1, are the score of every one of ``results``."""
    names = {name for name in results[0].metrics if not name.startswith(PREFIX)} if results else set()
    return sorted(
        name
        for name in names
        if all(name in r.metrics and min(1.0, max(0.0, r.metrics[name])) == r.correct for r in results)
    )
