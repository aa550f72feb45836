"""One saved evaluation recomputed: its scores from the items' scores, its labels and counts from the responses."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors.contract import ErrorRecord
from harness.errors.taxonomy import DOUBTFUL
from harness.evaluated import SCORES, Evaluation, load_evaluation, scores
from harness.evaluation.items import ItemResult, item_id
from harness.loop.run import categories
from harness.storage import read_json
from harness.verify.classifiers import RunClassifiers
from harness.verify.findings import Findings, common

_ESCAPED = re.compile(r"\\ud[89a-f][0-9a-f]{2}")  # a lone surrogate as it is saved: the response itself is lost


class Evaluations:
    """A run's evaluations, each read from the disk once.

    Args:
        root: the run directory.
        current: whether the files have all that this version writes; of older ones what they have is compared.
    """

    def __init__(self, root: Path, classifiers: RunClassifiers, findings: Findings, current: bool = True) -> None:
        self._root, self._classifiers, self._findings, self._current = root, classifiers, findings, current
        self._read: dict[Path, Evaluation] = {}

    def load(self, folder: Path) -> Evaluation:
        """The evaluation in ``folder``.

        Raises:
            InputError: a file is missing or damaged; names it.
        """
        if folder not in self._read:
            self._read[folder] = load_evaluation(folder)
        return self._read[folder]

    def known(self) -> Mapping[Path, Evaluation]:
        """What was read so far, by folder."""
        return self._read

    def check(self, folder: Path, result: Mapping[str, Any], by_learner: int = 0) -> None:
        """Recompute the evaluation in ``folder`` of a phase that came to ``result``.

        Args:
            by_learner: results at the end that another model gave than those before.
        """
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
            self._check_labels(where, evaluation, by_learner)

    def _check_scores(self, where: str, evaluation: Evaluation) -> None:
        """Each item's id, and its score as far as that can be told without the task's own code."""
        findings = self._findings
        for result in evaluation.results:
            place = f"{where}/responses.parquet"
            if item_id(result.task, result.doc) != result.item_id:
                findings.mismatch(place, "item id", item_id(result.task, result.doc), result.item_id)
            if not 0.0 <= result.correct <= 1.0:
                findings.mismatch(place, f"score of item {result.item_id}", "0 to 1", result.correct)
            if chosen(result) and not re.fullmatch(r"\[.*\]", result.target, re.DOTALL):
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

    def _check_labels(self, where: str, evaluation: Evaluation, by_learner: int) -> None:
        findings, place = self._findings, f"{where}/errors.parquet"
        ids = [result.item_id for result in evaluation.results]
        if not findings.equal("records", place, "items", ids, [record.item_id for record in evaluation.errors]):
            return
        for result, record in zip(evaluation.results, evaluation.errors, strict=True):
            expected = _primary(result, record)
            if record.primary != expected:
                findings.mismatch(place, f"primary category of item {record.item_id}", expected, record.primary)
        if not self._classifiers.classifiers:
            return
        n = len(ids)
        again = self._classifiers.classify(evaluation.results, [n - by_learner, by_learner] if by_learner else ())
        for result, saved, record in zip(evaluation.results, evaluation.errors, again, strict=True):
            if _ESCAPED.search(result.response) or _ESCAPED.search(result.prompt):
                findings.note("not recomputed: labels of responses with a lone surrogate, which is saved as its escape")
                continue
            findings.checked["records of errors"] += 1
            keep = None if self._classifiers.whole else self._classifiers.categories
            one, other = plain(record, keep), plain(saved, keep)
            if one != other:
                findings.equal("labels that differ", place, f"labels of item {record.item_id}", one, other)


def chosen(result: ItemResult) -> bool:
    """Whether ``result`` is of multiple choice by ``acc``: the response is then the ending that was found likeliest."""
    accuracy = result.metrics.get("acc")
    return result.new_tokens == 0 and result.finish_reason == "stop" and accuracy == result.correct


def main_metrics(results: Sequence[ItemResult]) -> list[str]:
    """The metrics that, cut to 0 and 1, are the score of every one of ``results``."""
    names = set(results[0].metrics) if results else set()
    return sorted(
        name
        for name in names
        if all(name in r.metrics and min(1.0, max(0.0, r.metrics[name])) == r.correct for r in results)
    )


def plain(record: ErrorRecord, categories: Collection[str] | None = None) -> dict[str, Any]:
    """A record as plain data, as `harness.evaluated` saves it.

    Args:
        categories: those that are kept; ``None`` for all, and the primary one.
    """
    kept = [label for label in record.labels if categories is None or label.category in categories]
    unable = [
        [name, _text(reason)]
        for name, reason in zip(record.not_assessed, record.reasons, strict=False)
        if categories is None or name in categories
    ]
    labels = [
        [label.category, label.confidence, list(label.span) if label.span else label.span, _text(label.reason)]
        for label in kept
    ]
    whole = {"labels": labels, "not_assessed": unable}
    return {**whole, "primary": record.primary} if categories is None else whole


def _text(value: str) -> str:
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _primary(result: ItemResult, record: ErrorRecord) -> str | None:
    if result.correct >= 1.0:
        return None
    return next((label.category for label in record.labels if label.confidence >= DOUBTFUL), "wrong_answer")
